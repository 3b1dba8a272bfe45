"""What surrounds the numbers of a run: machine, versions, cards and their hashes, floors, absent backends, warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npubench.cards import digest
from npubench.lang import Text
from npubench.report import inputs
from npubench.report.cells import own_words
from npubench.report.foreign import LINE_LIMIT, MESSAGE_LIMIT, clean
from npubench.report.numbers import backend_name, card_title, count, of_cell
from npubench.report.redacting import REDACTED_FROM
from npubench.report.shown import Absent, CardRow, Fact, Floor, Remark
from npubench.report.words import MEASURERS, same
from npubench.schema import Machine, Run
from npubench.stats.assemble import scrubbed
from npubench.units import UNKNOWN, show, show_bytes

_NOT_REPORTED = Text(en=f"{UNKNOWN} (this machine does not report it)", ko=f"{UNKNOWN} (장비가 알려 주지 않음)")


def machine_facts(machine: Machine) -> tuple[Fact, ...]:
    """The machine, unknown facts included."""

    def fact(en: str, ko: str, value: str | None) -> Fact:
        return Fact(name=Text(en=en, ko=ko), value=clean(value, LINE_LIMIT) if value else _NOT_REPORTED)

    def number(value: float | None) -> str | None:
        return None if value is None else show(value, "count")

    load = machine.load_average
    none_found = Text(en="none found", ko="없음")
    facts = [
        fact("Name", "이름", machine.name),
        fact("Processor", "프로세서", machine.cpu),
        fact(
            "Cores · threads",
            "코어 · 스레드",
            f"{number(machine.cores) or UNKNOWN} · {number(machine.threads) or UNKNOWN}",
        ),
        fact("Memory", "메모리", None if machine.memory_bytes is None else show_bytes(machine.memory_bytes)),
        fact("Frequency governor", "주파수 거버너", machine.governor),
        fact("Operating system", "운영체제", machine.os),
        fact("Kernel", "커널", machine.kernel),
        Fact(
            name=Text(en="Container", ko="컨테이너"),
            value=clean(machine.container) if machine.container else none_found,
        ),
        Fact(
            name=Text(en="Virtual machine", ko="가상 머신"),
            value=clean(machine.virtual_machine) if machine.virtual_machine else none_found,
        ),
        fact("Clock source", "시계", machine.clock_source),
        fact("Load when it began", "시작 시 부하", " · ".join(show(value, "") for value in load) if load else None),
        Fact(
            name=Text(en="Other busy processes", ko="다른 바쁜 프로세스"),
            value=clean("; ".join(machine.busy_processes), MESSAGE_LIMIT) if machine.busy_processes else none_found,
        ),
    ]
    return tuple(facts)


def devices(run: Run) -> tuple[Fact, ...]:
    """Accelerators that the machine has, whether measured or not."""
    return tuple(
        Fact(
            name=same(device.type.upper()),
            value=clean(
                " ".join(
                    part
                    for part in dict.fromkeys(
                        (device.vendor, device.name, device.detail.get("model"), f"({device.id})")
                    )
                    if part
                ),
                LINE_LIMIT,
            ),
        )
        for device in run.machine.accelerators
    )


def versions(run: Run) -> tuple[Fact, ...]:
    """Versions in use: the machine's, then a line per backend. They vary and never decide comparability."""
    alone = dict(run.machine.versions)
    grouped: dict[str, list[str]] = {}
    for key, value in sorted(run.varying.items()):
        backend, _, name = key.partition(".")
        if name and backend in run.backends:
            grouped.setdefault(backend, []).append(f"{name} {value}")
        else:
            alone[key] = value
    return (
        *(Fact(name=same(name), value=clean(value, LINE_LIMIT), code=True) for name, value in sorted(alone.items())),
        *(
            Fact(name=backend_name(run, backend).title, value=clean(" · ".join(found), MESSAGE_LIMIT), code=True)
            for backend, found in grouped.items()
        ),
    )


def floors(run: Run) -> tuple[Floor, ...]:
    """The overhead floor of each backend."""
    shown = []
    for cell in run.cells:
        if cell.purpose == "floor":
            p50, _ = of_cell(cell, "latency_p50_ns")
            samples, _ = of_cell(cell, "sample_count")
            shown.append(Floor(backend=backend_name(run, cell.backend), p50=p50, samples=samples))
    return tuple(shown)


def _parts(card: Mapping[str, Any]) -> list[Fact]:
    """Graph and weights hashes of a model card."""
    parts = []
    graphs = card.get("graphs")
    for role, graph in (graphs if isinstance(graphs, Mapping) else {}).items():
        if not isinstance(graph, Mapping):
            continue
        weights = graph.get("weights")
        parts.append(
            Fact(
                name=Text(en=f"graph {clean(role)}", ko=f"그래프 {clean(role)}"),
                value=clean(graph.get("sha256")),
                code=True,
            )
        )
        if isinstance(weights, Mapping):
            seeded = weights.get("kind") == "seeded"
            parts.append(
                Fact(
                    name=Text(
                        en=f"weights {clean(role)} ({'seeded' if seeded else 'file'})",
                        ko=f"가중치 {clean(role)} ({'난수' if seeded else '파일'})",
                    ),
                    value=clean(weights.get("sha256")),
                    code=True,
                )
            )
    return parts


def started_servers(run: Run) -> tuple[str, ...]:
    """The backends whose server the run started on the measured model's own weights (`cards.ours`)."""
    found = []
    for name in {cell.backend: None for cell in run.cells if cell.execution_kind == "endpoint"}:
        card = run.backends.get(name)
        spec = card.get("serve") if isinstance(card, Mapping) else None
        if isinstance(spec, Mapping) and not spec.get("model"):
            found.append(name)
    return tuple(found)


def _endpoints(run: Run) -> dict[str, Any]:
    """The options of the backends that are endpoints, by id; not of those whose server the run started itself."""
    found = {}
    for name, card in run.backends.items():
        device = card.get("device") if isinstance(card, Mapping) else None
        if isinstance(device, Mapping) and device.get("type") == "endpoint" and card.get("serve") is None:
            found[name] = card.get("options")
    return found


def served_models(run: Run) -> tuple[str, ...]:
    """The names that endpoints give to what they serve, as the cards in the run say."""
    found = []
    for options in _endpoints(run).values():
        served = options.get("model") if isinstance(options, Mapping) else None
        found.append(clean(str(served)) if served else UNKNOWN)
    return tuple(found)


def seeded_models(run: Run) -> tuple[str, ...]:
    """The measured models with drawn, untrained weights, by id. An endpoint has weights of its own."""
    apart = _endpoints(run)
    measured = {cell.model for cell in run.cells if cell.purpose == "measure" and cell.backend not in apart}
    found = []
    for name, card in run.models.items():
        graphs = card.get("graphs") if isinstance(card, Mapping) and name in measured else None
        parts = [
            graph for graph in (graphs if isinstance(graphs, Mapping) else {}).values() if isinstance(graph, Mapping)
        ]
        kinds = [part["weights"].get("kind") for part in parts if isinstance(part.get("weights"), Mapping)]
        if "seeded" in kinds:
            found.append(clean(name))
    return tuple(found)


def _sha256(card: Any) -> str:
    """A card's hash; of a redacted one that which it had before."""
    before = card.get(REDACTED_FROM) if isinstance(card, Mapping) else None
    return clean(before) if isinstance(before, str) else digest(card)


def cards(run: Run) -> tuple[CardRow, ...]:
    """Every card in use with its SHA-256 (over its canonical JSON), graphs, weights and input data."""
    shown = []
    for kind, found in (
        (Text(en="model", ko="모델"), run.models),
        (Text(en="backend", ko="백엔드"), run.backends),
    ):
        for name, card in found.items():
            parts = _parts(card) if isinstance(card, Mapping) else []
            if found is run.models and name in run.inputs:
                fed = run.inputs[name]
                whose = Text(en="own", ko="사용자") if fed.source == inputs.OWN else same(fed.source)
                files = count(fed.files)
                parts.append(
                    Fact(
                        name=Text(
                            en=f"input data ({whose.en}, files: {files})", ko=f"입력 자료({whose.ko}, 파일 {files}개)"
                        ),
                        value=clean(fed.sha256),
                        code=True,
                    )
                )
            shown.append(
                CardRow(
                    kind=kind, id=clean(name), title=card_title(card, name), sha256=_sha256(card), parts=tuple(parts)
                )
            )
    return tuple(shown)


def absent(run: Run) -> tuple[Absent, ...]:
    """Backends that could not run here."""
    return tuple(
        Absent(
            backend=clean(item.backend),
            title=Text(en=clean(item.title.en), ko=clean(item.title.ko)),
            device=clean(item.device_type),
            reason=clean(item.reason, MESSAGE_LIMIT),
            fix=own_words([item.fix])[0] if item.fix is not None else None,
        )
        for item in run.absent
    )


def remarks(run: Run) -> tuple[Remark, ...]:
    """Warnings first, then what is merely worth knowing."""
    ordered = sorted(run.notes, key=lambda note: note.severity != "warning")
    return tuple(
        Remark(
            text=own_words([note.text])[0],
            code=clean(note.code),
            tone="warn" if note.severity == "warning" else "plain",
        )
        for note in ordered
    )


def measurer(run: Run) -> Text | str:
    """Who measured; older runs hold free text."""
    kind, _, name = run.measured_by.partition(":")
    if kind not in MEASURERS:
        return clean(run.measured_by)
    word, whose = MEASURERS[kind], f": {clean(name)}" if name else ""
    return Text(en=word.en + whose, ko=word.ko + whose)


def run_facts(run: Run) -> tuple[Fact, ...]:
    """How the run was made."""
    return (
        Fact(name=Text(en="Run", ko="실행 ID"), value=clean(run.id), code=True),
        Fact(name=Text(en="Started", ko="시작"), value=clean(run.created)),
        Fact(name=Text(en="Sealed", ko="봉인"), value=clean(run.sealed) or UNKNOWN),
        Fact(name=same("npubench"), value=clean(run.npubench), code=True),
        Fact(name=Text(en="Profile", ko="프로파일"), value=clean(run.profile)),
        Fact(name=Text(en="Suite", ko="스위트"), value=clean(run.suite) if run.suite else UNKNOWN),
        Fact(name=Text(en="Ruleset", ko="규칙"), value=clean(run.ruleset), code=True),
        Fact(name=Text(en="Seed of the order", ko="순서의 시드"), value=str(run.seed), code=True),
        Fact(name=Text(en="Measured by", ko="측정자"), value=measurer(run)),
        Fact(
            name=Text(en="Command", ko="명령"),
            # Once more here: files of others, and older ones, may still name the folders of who typed it.
            value=clean(" ".join(scrubbed(run.command)), MESSAGE_LIMIT) or UNKNOWN,
            code=True,
        ),
    )
