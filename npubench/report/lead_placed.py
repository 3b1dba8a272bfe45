"""Whether the work ran on the device that was asked for, service by service.

Guarantees: answered by placement certificates alone; what has none is called not proven, and "all" is said of nothing
less, though a certificate calls almost all of it full. NPUs come first, and each device has a link to its own
certificates. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from npubench.evidence import Certificate
from npubench.lang import Text
from npubench.report import lead_names
from npubench.report.foreign import clean
from npubench.report.shown import Place, Tone
from npubench.report.shown_lead import Answer
from npubench.report.words import SERVICES, joined, same
from npubench.schema import Cell, Run
from npubench.units import show_share

SHORT: dict[str, Text] = {
    "cctv": Text(en="CCTV", ko="CCTV"),
    "ocr": Text(en="OCR", ko="OCR"),
    "llm": Text(en="language model", ko="언어 모델"),
    "other": Text(en="other models", ko="기타 모델"),
}
_RAN = Text(en="Did it run on that device?", ko="정말 그 장치에서 실행되었는가?")
_CERTIFICATES = Text(en="Placement certificates", ko="실행 위치 증명서")
_GRAVEST: tuple[Tone, ...] = ("bad", "plain", "warn", "good")
_TYPES = ("npu", "gpu")
_MOST = 6

Build = tuple[str, str, str]
Device = tuple[str, str]


def build(cell: Cell) -> Build:
    """What has one certificate on a backend: model, precision, variant."""
    return cell.model, cell.precision, cell.key.get("variant", "")


def proven(cell: Cell) -> bool:
    """Whether a certificate says where it ran."""
    return cell.certificate is not None and cell.certificate.extent not in ("unknown", "none")


def short(key: str) -> Text:
    """The short name of a service."""
    return SHORT.get(key, same(key))


def placed(runs: Sequence[Run], keys: Sequence[str], places: Sequence[Sequence[Place]]) -> Answer:
    """The answer for these runs, whose parts of the page have these keys and these blocks of certificates."""
    names = lead_names.devices(runs)
    found: dict[Device, dict[tuple[str, Build], Certificate | None]] = {}
    targets: dict[Device, str] = {}
    for run, name, key, blocks in zip(runs, lead_names.places(runs), keys, places, strict=True):
        units = {cell.model: cell.unit for cell in run.cells if cell.summary}
        anchors = {block.backend.id: block.key for block in reversed(blocks)}
        for cell in run.cells:
            if cell.purpose != "measure" or cell.verdict == "unsupported":
                continue
            at = name, cell.backend
            service = SERVICES.get(units.get(cell.model, cell.unit), SERVICES["sample"])[0]
            # What gave nothing counted nothing: it is told by its model.
            service = clean(cell.model) if service == "other" else service
            found.setdefault(at, {}).setdefault((service, build(cell)), cell.certificate)
            targets[at] = anchors.get(clean(cell.backend), f"{key}-places")
    asked = {at: each for at, each in found.items() if not all(map(_is_cpu, each.values()))} or found
    order = sorted(asked, key=lambda at: _type(asked[at]))
    told = {at: _device(asked[at]) for at in order}
    least = min((_least(each.values()) for each in asked.values()), default=1.0)
    answer, tone = _answer(told, names, least, only_cpu=asked is found)
    lines = [_named(names[at], said) for at, (said, _) in told.items()]
    more = tuple(line for line in lines if line != answer) if len(told) > 1 or tone == "good" else ()
    return Answer(
        question=_RAN, answer=answer, more=more[:_MOST], tone="warn" if tone == "bad" else tone,
        links=tuple(
            (targets[at], Text(en=f"{_CERTIFICATES.en}: {names[at].en}", ko=f"{_CERTIFICATES.ko}: {names[at].ko}"))
            for at in order[:_MOST]
        ),
    )  # fmt: skip


def _type(found: Mapping[tuple[str, Build], Certificate | None]) -> int:
    types = {each.device_type for each in found.values() if each is not None}
    return next((n for n, name in enumerate(_TYPES) if name in types), len(_TYPES))


def _is_cpu(found: Certificate | None) -> bool:
    return found is not None and found.device_type == "cpu" and found.execution_kind == "hardware"


def _answer(
    told: Mapping[Device, tuple[Text, Tone]], names: Mapping[Device, Text], least: float, *, only_cpu: bool
) -> tuple[Text, Tone]:
    tones = [tone for _, tone in told.values()]
    worst: Tone = next((tone for tone in _GRAVEST if tone in tones), "plain")
    if worst == "good":
        if only_cpu:
            return Text(en="Only CPUs were measured; it ran there", ko="CPU만 측정했으며 CPU에서 실행되었습니다"), worst
        if least < 1:
            share = show_share(least)
            return Text(en=f"Yes: at least {share} of the arithmetic", ko=f"예, 연산의 {share} 이상"), worst
        return Text(en="Yes, all of it", ko="예, 전부 실행되었습니다"), worst
    short_of = [at for at, (_, tone) in told.items() if tone != "good"]
    if len(short_of) > 1:
        return Text(en="It depends on the device", ko="장치마다 다릅니다"), worst
    said, name = told[short_of[0]][0], names[short_of[0]]
    if len(told) == 1:
        # A sentence of ours begins with a capital, the name of a model does not.
        ours = said.en.startswith(("an ", *(title.en for title in SHORT.values())))
        return Text(en=f"{said.en[:1].upper()}{said.en[1:]}" if ours else said.en, ko=said.ko), worst
    return _named(name, said), worst


def _named(name: Text, said: Text) -> Text:
    return Text(en=f"{name.en} — {said.en}", ko=f"{name.ko} — {said.ko}")


def _device(found: Mapping[tuple[str, Build], Certificate | None]) -> tuple[Text, Tone]:
    """`CCTV and language model: yes; OCR: only 62.0 % (the other 38.0 % on the CPU)`, with its tone."""
    known = [each for each in found.values() if each is not None]
    if any(each.execution_kind in ("simulated", "virtual") for each in known):
        return Text(en="an emulator, not the device", ko="장치가 아니라 에뮬레이터"), "bad"
    if known and all(each.execution_kind == "endpoint" for each in known):
        return Text(en="an endpoint, whose devices are not seen", ko="엔드포인트라 알 수 없음"), "plain"
    parts = []
    tones: set[Tone] = set()
    for extent, en, ko, tone in _SAID:
        those = {at: each for at, each in found.items() if _extent(each) == extent}
        if not those:
            continue
        tones.add(tone)
        if extent == "assisted":
            en, ko = _share(list(those.values()))
        if extent == "full" and (least := _least(those.values())) < 1:
            on = show_share(least)
            en, ko = f"{en}, at least {on} of the arithmetic", f"{ko}(연산의 {on} 이상)"
        names = joined(_services(found, those))
        names_ko = "·".join(name.ko for name in _services(found, those)[:3]) if len(names.ko) < 40 else names.ko
        parts.append(Text(en=f"{names.en}: {en}", ko=f"{names_ko}: {ko}"))
    worst: Tone = next(tone for tone in _GRAVEST if tone in tones)
    return Text(en="; ".join(part.en for part in parts), ko="; ".join(part.ko for part in parts)), worst


_SAID: tuple[tuple[str, str, str, Tone], ...] = (
    ("full", "yes", "예", "good"),
    ("assisted", "", "", "warn"),
    ("none", "no, on the CPU instead", "아니요(CPU로 대체 실행)", "bad"),
    ("unknown", "not proven", "확인되지 않음", "plain"),
)


def _extent(found: Certificate | None) -> str:
    return "unknown" if found is None else found.extent


def _least(found: Iterable[Certificate | None]) -> float:
    """The smallest share of the arithmetic that was counted; a whole graph on one device needs no count."""
    return min((each.macs_share for each in found if each is not None and each.macs_share is not None), default=1.0)


def _share(found: Sequence[Certificate | None]) -> tuple[str, str]:
    shares = [each.macs_share for each in found if each is not None and each.macs_share is not None]
    if not shares:
        return "in part, the rest on the CPU", "일부만(나머지는 CPU)"
    least = min(shares)
    on, rest = show_share(least), show_share(1 - least)
    few, few_ko = ("", "") if max(shares) == least else ("at least ", " 이상")
    if few:
        return (
            f"in part, {few}{on} of the arithmetic (the rest on the CPU)",
            f"일부만, 연산의 {on}{few_ko}(나머지는 CPU)",
        )
    return f"only {on} of the arithmetic (the other {rest} on the CPU)", f"연산의 {on}만(나머지 {rest}는 CPU)"


def _services(
    found: Mapping[tuple[str, Build], Certificate | None], those: Mapping[tuple[str, Build], Certificate | None]
) -> list[Text]:
    """The services of `those`; with their builds where others of the same service are told elsewhere."""
    named = []
    for service in dict.fromkeys(name for name, _ in those):
        own = [made for name, made in those if name == service]
        title = short(service)
        if len(own) < sum(name == service for name, _ in found):
            builds = joined([same(f"{clean(model)} {clean(precision)}") for model, precision, _ in own])
            title = Text(en=f"{title.en} ({builds.en})", ko=f"{title.ko}({builds.ko})")
        named.append(title)
    return named
