"""A placement certificate in full: what each provider took, by several figures, and every fact that it holds.

Guarantees: unknown is a dash with its reason, shares stand beside the counts that they are of, no two figures are made
into one. Pure. Not aware of: sentences (`placement`), backends' environments (`places`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from npubench.evidence import Certificate, Startup
from npubench.lang import Text
from npubench.report import reasons, servers
from npubench.report.foreign import LINE_LIMIT, MESSAGE_LIMIT, clean
from npubench.report.numbers import Footnotes, count, macs
from npubench.report.placement import own_reasons, time_share
from npubench.report.shown import Bar, Fact, Number, ProviderRow
from npubench.report.words import STRICT, kind
from npubench.spi import Device
from npubench.stats.placement import CONVERSIONS
from npubench.units import UNKNOWN, show_ns, show_share

COLUMNS: tuple[Text, ...] = (
    Text(en="Nodes", ko="노드"),
    Text(en="Computing nodes", ko="계산 노드"),
    Text(en="Arithmetic (MAC)", ko="연산량(MAC)"),
    Text(en="Time in nodes", ko="노드 실행 시간"),
)
"""Of `ProviderRow.numbers`."""

REQUESTED, ELSEWHERE, UNSAID = 0, 1, 6
"""Colours of the bars: the provider asked for, the first of the others, what no provider is named for."""

_NO_RECORD = Text(
    en="the runtime kept no record of who took which node", ko="어느 노드를 누가 맡았는지 런타임에 기록이 없습니다"
)
_NOT_SAID = Text(en="the adapter did not say", ko="어댑터가 알려 주지 않음")
_UNMATCHED = Text(en="not matched to a provider", ko="프로바이더를 알 수 없음")
_NONE = Text(en="none", ko="없음")


def unknown(why: Text) -> Text:
    """A dash with its reason, where it is a sentence of its own."""
    return Text(en=f"{UNKNOWN} ({why.en})", ko=f"{UNKNOWN} ({why.ko})")


def _total_macs(found: Certificate) -> int:
    return sum((found.macs or {}).values()) + (found.macs_unmatched or 0)


def _providers(found: Certificate) -> list[str]:
    """The requested provider first, then the others by what they took."""
    names = dict.fromkeys(
        name
        for counts in (found.macs, found.compute_nodes, found.nodes, found.self_time_ns)
        for name in sorted(counts or {}, key=lambda item: -(counts or {})[item])
        if (counts or {})[name]
    )
    return [*([found.requested] if found.requested else []), *(name for name in names if name != found.requested)]


def _part(counts: Mapping[str, int] | None, name: str, total: int, text: str, why: Text, notes: Footnotes) -> Number:
    if counts is None:
        return notes.add(Number(text=UNKNOWN, reason=why), why)
    return Number(text=f"{text} ({show_share(counts.get(name, 0) / total)})" if total else text)


def rows(found: Certificate, notes: Footnotes) -> tuple[ProviderRow, ...]:
    """What each provider took; arithmetic that the evidence names no provider for has a row of its own."""
    no_macs, no_times = reasons.full(found.macs_reason), reasons.full(found.profile_reason)
    nodes, compute, times = (sum((c or {}).values()) for c in (found.nodes, found.compute_nodes, found.self_time_ns))
    shown = []
    for index, name in enumerate(_providers(found)):
        took = {key: (counts or {}).get(name, 0) for key, counts in _counts(found).items()}
        shown.append(
            ProviderRow(
                name=clean(name),
                role=Text(en="asked for", ko="요청함") if name == found.requested else None,
                colour=_colour(index, found),
                numbers=(
                    _part(found.nodes, name, nodes, count(took["nodes"]), _NO_RECORD, notes),
                    _part(found.compute_nodes, name, compute, count(took["compute"]), _NO_RECORD, notes),
                    _part(found.macs, name, _total_macs(found), macs(took["macs"]), no_macs, notes),
                    _part(found.self_time_ns, name, times, show_ns(took["times"]), no_times, notes),
                ),
            )
        )
    if found.macs_unmatched:
        lost = Number(text=f"{macs(found.macs_unmatched)} ({show_share(found.macs_unmatched / _total_macs(found))})")
        blank = Number(text="")
        shown.append(ProviderRow(name="", role=_UNMATCHED, colour=UNSAID, numbers=(blank, blank, lost, blank)))
    return tuple(shown)


def _counts(found: Certificate) -> dict[str, dict[str, int] | None]:
    return {
        "nodes": found.nodes,
        "compute": found.compute_nodes,
        "macs": found.macs,
        "times": found.self_time_ns,
    }


def _colour(index: int, found: Certificate) -> int:
    """The requested provider has its colour to itself, also where it is not named."""
    place = index if found.requested else index + 1
    return min(place, UNSAID - 1)


def _drawn(found: Certificate, counts: Mapping[str, int], unsaid: int) -> tuple[tuple[float, float, int], ...]:
    total = sum(counts.values()) + unsaid
    pieces = [(counts.get(name, 0), _colour(index, found)) for index, name in enumerate(_providers(found))]
    parts, start = [], 0.0
    for size, colour in (*pieces, (unsaid, UNSAID)):
        width = 100 * size / total if total else 0.0
        if width:
            parts.append((round(start, 2), round(width, 2), colour))
        start += width
    return tuple(parts)


def arithmetic(found: Certificate, notes: Footnotes) -> Bar:
    """Multiply-accumulates: the requested provider's share, and everybody's as a bar."""
    if found.macs is None or found.macs_share is None:
        why = reasons.full(found.macs_reason)
        return Bar(number=notes.add(Number(text=UNKNOWN, reason=why), why))
    return Bar(
        number=Number(text=show_share(found.macs_share)), parts=_drawn(found, found.macs, found.macs_unmatched or 0)
    )


def time(found: Certificate, notes: Footnotes) -> Bar:
    """Time in nodes: the same."""
    part = time_share(found)
    if found.self_time_ns is None or part is None:
        why = reasons.full(found.profile_reason)
        return Bar(number=notes.add(Number(text=UNKNOWN, reason=why), why))
    return Bar(number=Number(text=show_share(part)), parts=_drawn(found, found.self_time_ns, 0))


def compute(found: Certificate, notes: Footnotes) -> Number:
    """`12 of 13` computing nodes, written `12 / 13`."""
    if found.compute_nodes is None:
        return notes.add(Number(text=UNKNOWN, reason=_NO_RECORD), _NO_RECORD)
    there, total = found.compute_nodes.get(found.requested, 0), sum(found.compute_nodes.values())
    return Number(text=f"{count(there)} / {count(total)}")


def counted(value: int | None, why: Text, notes: Footnotes) -> Number:
    """A count, or a dash with a footnote."""
    return notes.add(Number(text=UNKNOWN, reason=why), why) if value is None else Number(text=count(value))


def subgraphs(found: Certificate, notes: Footnotes) -> Number:
    return counted(found.subgraphs, _NO_RECORD, notes)


def crossings(found: Certificate, notes: Footnotes) -> Number:
    return counted(found.crossings, reasons.full(found.macs_reason) if found.macs_reason else _NO_RECORD, notes)


def _names(names: Iterable[str] | None, why: Text) -> str | Text:
    return clean(", ".join(names or ()), LINE_LIMIT) or unknown(why)


def _device(device: Device) -> str:
    model = device.detail.get("model")
    named = [part for part in dict.fromkeys((device.vendor, device.name, model)) if part]
    return clean(" ".join([device.type.upper(), *named, f"({device.id})"]), LINE_LIMIT)


def _listed(counts: Mapping[str, int] | None) -> str | Text:
    if counts is None:
        return unknown(_NO_RECORD)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return clean(", ".join(f"{name} × {count(n)}" for name, n in ordered), MESSAGE_LIMIT) or _NONE


def _took(value: int | None, why: Text) -> str | Text:
    return unknown(why) if value is None else show_ns(value)


def _compiled(startup: Startup) -> str | Text:
    """How long compiling took; where that was in an earlier run, it says so."""
    why = reasons.full(startup.compile_reason)
    if startup.compile_ns is None or startup.compile_reason is None:
        return _took(startup.compile_ns, why)
    took = show_ns(startup.compile_ns)
    return Text(en=f"{took} ({why.en})", ko=f"{took} ({why.ko})")


def strict(found: Certificate) -> Text:
    """Whether it runs without help of the CPU, and if not, what it is needed for: conversions alone are no failure."""
    said = STRICT[found.strict]
    elsewhere = found.fallback_ops or {}
    if found.strict != "refused" or not elsewhere:
        return said
    nodes = sum(elsewhere.values())
    n = count(nodes)
    if CONVERSIONS.issuperset(elsewhere):
        english, korean = f"{n} {'conversion' if nodes == 1 else 'conversions'}", f"변환 {n}개만"
        return Text(
            en=f"{said.en}: only {english} need{'s' * (nodes == 1)} the CPU", ko=f"{said.ko}: {korean} CPU 필요"
        )
    english = f"{n} {'node needs' if nodes == 1 else 'nodes need'} the CPU"
    return Text(en=f"{said.en}: {english}", ko=f"{said.ko}: 노드 {n}개에 CPU 필요")


def _strict(found: Certificate) -> Text:
    said = strict(found)
    if found.strict_reason is None:
        return said
    why = reasons.full(found.strict_reason)
    return Text(en=f"{said.en} ({why.en})", ko=f"{said.ko} ({why.ko})")


def facts(found: Certificate, steady: Fact) -> tuple[Fact, ...]:
    """Everything that is not in the table of providers. `steady` is the cell's own figure, to end the start-up with."""
    no_profile = reasons.full(found.profile_reason)
    startup, not_timed = found.startup, reasons.NOT_MEASURED
    lost = found.unattributed_share

    def fact(en: str, ko: str, value: str | Text, *, code: bool = False) -> Fact:
        return Fact(name=Text(en=en, ko=ko), value=value, code=code)

    return (
        fact("Provider asked for", "요청한 프로바이더", clean(found.requested) or UNKNOWN, code=True),
        fact("Registered", "런타임에 등록됨", _names(found.registered, _NOT_SAID), code=bool(found.registered)),
        fact("Selected", "세션에 선택됨", _names(found.selected, _NOT_SAID), code=bool(found.selected)),
        fact("Seen executing", "실행이 관측됨", _names(found.executing, no_profile), code=found.executing is not None),
        fact("Execution kind", "실행 종류", kind(found.execution_kind)[0]),
        fact("Type of device", "장치 종류", clean(found.device_type) or unknown(_NOT_SAID)),
        *(fact("Device", "장치", _device(device)) for device in found.devices),
        fact(
            "Versions",
            "버전",
            clean(" · ".join(f"{name} {version}" for name, version in sorted(found.versions.items())), MESSAGE_LIMIT)
            or unknown(_NOT_SAID),
            code=bool(found.versions),
        ),
        fact(
            "Pieces of the graph",
            "하위 그래프",
            unknown(_NO_RECORD) if found.subgraphs is None else count(found.subgraphs),
        ),
        fact(
            "Tensors between providers",
            "프로바이더 경계를 넘는 텐서",
            unknown(reasons.full(found.macs_reason) if found.macs_reason else _NO_RECORD)
            if found.crossings is None
            else count(found.crossings),
        ),
        fact("Operators elsewhere", "다른 곳으로 밀려난 연산", _listed(found.fallback_ops)),
        fact(
            "Unattributed time",
            "미귀속 시간",
            unknown(no_profile) if lost is None else show_share(lost),
        ),
        fact("Without help of the CPU (strict)", "CPU 도움 없이 실행(strict)", _strict(found)),
        fact("Evidence", "증거", clean(", ".join(found.sources)) or _NONE),
        fact(
            "Compiled ahead in",
            "미리 컴파일한 시간",
            _compiled(startup),
        ),
        fact("Cold load (new process)", "첫 적재(새 프로세스)", _took(startup.cold_load_ns, not_timed)),
        fact("Warm load (second time)", "재적재(두 번째)", _took(startup.warm_load_ns, not_timed)),
        fact("First inference", "첫 추론", _took(startup.first_inference_ns, not_timed)),
        steady,
        *(servers.facts(found.server) if found.server is not None else ()),
        *_origin(found),
        *(fact("In the certificate's words", "증명서의 문구", reason) for reason in own_reasons(found)),
        fact("Certificate made in", "증명서 작성 시간", show_ns(found.duration_ns) if found.duration_ns else UNKNOWN),
    )


def _origin(found: Certificate) -> list[Fact]:
    """Who made the files that ran."""
    title = Text(en="Compiled by", ko="컴파일한 곳")
    if found.origin is None:
        if found.execution_kind in ("virtual", "endpoint"):
            return []
        return [Fact(name=title, value=Text(en="the runtime, when it loaded the model", ko="런타임(모델을 적재할 때)"))]
    origin = found.origin
    said = " · ".join(part for part in (origin.compiled_by, origin.compiler) if part)
    shown = [Fact(name=title, value=clean(said, LINE_LIMIT))]
    if origin.quantiser:
        shown.append(Fact(name=Text(en="Quantised by", ko="양자화한 곳"), value=clean(origin.quantiser, LINE_LIMIT)))
    for en, ko, hashes in (
        ("SHA-256 of what ran", "실행한 파일의 SHA-256", origin.sha256),
        ("SHA-256 of its source", "원본의 SHA-256", origin.source_sha256),
    ):
        shown += [
            Fact(name=Text(en=f"{en}, {clean(role)}", ko=f"{ko}, {clean(role)}"), value=clean(digest), code=True)
            for role, digest in hashes.items()
        ]
    return shown
