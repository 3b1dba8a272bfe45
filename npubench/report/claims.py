"""What a device delivers, a sentence for each service, model and backend: what a buyer may quote.

Guarantees: of each backend the configuration that delivers most of the same load is told, whole services before
devices alone; only what ran on hardware or at an endpoint claims anything. A part that is unknown is called unknown or
left out, never guessed. What limits is the load that failed and why, with the largest part of a request's time where
the stages were seen. Pure.

Not aware of: tables (`services`), who is best (`standings`), the page's first sentence (`lead`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from npubench.lang import Text
from npubench.report import capacity, loads, power_figures, quality, reasons, stages
from npubench.report.cells import anchor, why_of
from npubench.report.foreign import clean
from npubench.report.numbers import backend_name, model_name, of_cell, rate_key
from npubench.report.placement import assisted
from npubench.report.power_words import UNITS, scope_name
from npubench.report.shown_base import Number
from npubench.report.shown_lead import Claim, Claims, Spent
from npubench.report.words import KINDS, RATES, SERVICES, VERDICTS, same
from npubench.report.words import scope as covered
from npubench.schema import FAILURE_TEXT, Cell, ExecutionKind, Run
from npubench.spi import MeterScope
from npubench.units import UNKNOWN, show_ns, show_share

CLAIMING: tuple[ExecutionKind, ...] = ("hardware", "endpoint")
WHOLE: tuple[MeterScope, ...] = ("node", "wall")
OWN: tuple[MeterScope, ...] = ("card", "device", "chip", "package", "rail")
_SCOPES = ("service", "device", "resident")
_USUAL_FPS = 15.0

DEVICES: dict[str, Text] = {
    "npu": Text(en="the NPU", ko="NPU"),
    "gpu": Text(en="the GPU", ko="GPU"),
    "cpu": Text(en="the CPU", ko="CPU"),
}
UNPROVEN = Text(en="where it ran is not proven", ko="실행 위치는 확인되지 않음")
_ENDPOINT = Text(en="behind an endpoint, whose devices are not seen", ko="엔드포인트 뒤의 장치는 확인되지 않음")
_NO_ENERGY = Text(en="energy unknown", ko="에너지는 알 수 없음")
_NO_RESULT = Text(en="no result", ko="결과 없음")
_NO_QUALITY = Text(en="quality unknown", ko="품질은 알 수 없음")
_DRAWN: dict[str, Text] = {
    "frame": Text(en="drawn test scenes", ko="직접 그린 시험 장면"),
    "page": Text(en="drawn test pages", ko="직접 그린 시험 문서"),
}
_DRAWN_DATA = Text(en="drawn test data", ko="직접 그린 시험 자료")


def usable(cell: Cell) -> bool:
    return cell.verdict in ("valid", "degraded")


def order_of(cell: Cell) -> tuple[float, ...]:
    """What is told first: whole services, then searched loads (cameras at 15 fps), rates, one at a time."""
    params, name = cell.scenario.params, cell.scenario.name
    scope = _SCOPES.index(cell.scope) if cell.scope in _SCOPES else len(_SCOPES)
    if loads.searched(cell.scenario) is not None:
        fps = params.get("fps", _USUAL_FPS)
        away = abs(float(fps) - _USUAL_FPS) if isinstance(fps, (int, float)) else 0.0
        known = cell.capacity is not None and cell.capacity.confirmed is not None
        return scope, 0.0 if known else 3.5, away
    return scope, {"offline": 1.0, "single-stream": 2.0}.get(name, 3.0), 0.0


def _work(cell: Cell) -> tuple[str, ...]:
    """Cells of one load, which may be told beside each other."""
    use = loads.use(cell.scenario)
    rate = str(cell.scenario.params.get("fps", "")) + str(cell.scenario.params.get("rate", ""))
    return cell.scope, cell.scenario.name, rate, use.en if use is not None else ""


def _value(cell: Cell) -> float | None:
    """What it delivers; more is better."""
    if not usable(cell):
        return None
    if cell.capacity is not None:
        return cell.capacity.confirmed
    spread = cell.summary.get(rate_key(cell))
    return None if spread is None else spread.median


def _speed(cell: Cell) -> float:
    found = _value(cell)
    return -1.0 if found is None else found


def headline_cells(run: Run, unit: str, kind: ExecutionKind) -> dict[str, list[Cell]]:
    """Model → of each backend the cell that is told, all of one load where they have it: who delivers most first.

    What is of another load comes after, without a result last. A backend of which nothing is usable is told by a cell
    that shows why.
    """
    cells = [c for c in run.cells if c.purpose == "measure" and c.mix is None and c.verdict != "unsupported"]
    # What failed counted nothing and ran nowhere; it belongs to the service that its model gave elsewhere.
    units = {cell.model: cell.unit if cell.unit in SERVICES else "sample" for cell in cells if cell.summary}
    ran: dict[str, set[str]] = {}
    for cell in cells:
        if cell.execution_kind is not None:
            ran.setdefault(cell.backend, set()).add(cell.execution_kind)
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        if units.get(cell.model) == unit and kind in _kinds(run, cell, ran):
            found.setdefault(cell.model, []).append(cell)
    shown = {}
    for model, own_cells in found.items():
        good = [cell for cell in own_cells if usable(cell)]
        if not good:
            continue
        work = _work(min(good, key=order_of))
        told = []
        for backend in dict.fromkeys(cell.backend for cell in own_cells):
            own = [cell for cell in own_cells if cell.backend == backend]
            same_load = [cell for cell in own if usable(cell) and _work(cell) == work]
            rest = [cell for cell in own if usable(cell)]
            if same_load:
                told.append(max(same_load, key=_speed))
            else:
                told.append(min(rest or own, key=order_of))
        shown[model] = sorted(told, key=lambda cell: (_value(cell) is None, _work(cell) != work, -_speed(cell)))
    return shown


def _kinds(run: Run, cell: Cell, ran: Mapping[str, set[str]]) -> set[str]:
    """The kinds that a cell is told in. One that failed was seen nowhere: that of the others of its backend, else what
    its card says that it is.
    """
    if cell.execution_kind is not None:
        return {cell.execution_kind}
    if cell.backend in ran:
        return ran[cell.backend]
    card = run.backends.get(cell.backend)
    device = card.get("device") if isinstance(card, Mapping) else None
    kind = device.get("type") if isinstance(device, Mapping) else None
    return {"endpoint"} if kind == "endpoint" else {"hardware"}


def claims(run: Run, key: str) -> tuple[Claims, ...]:
    """Every service of a run that has something to claim, hardware first."""
    shown = []
    for unit, (name, title) in SERVICES.items():
        for kind in CLAIMING:
            told = headline_cells(run, unit, kind)
            rows = tuple(claim(run, key, cell) for cells in told.values() for cell in cells)
            if rows:
                shown.append(
                    Claims(
                        key=name,
                        title=title,
                        kind=None if kind == "hardware" else KINDS[kind][0],
                        rows=rows,
                    )
                )
    return tuple(shown)


def claim(run: Run, key: str, cell: Cell) -> Claim:
    """What one cell says, in parts and as a sentence."""
    tone, verdict_text = VERDICTS[cell.verdict]
    where = placed(cell)
    spent = tuple(_spent(cell))
    judged = good_answers(cell)
    figure, much = held(cell)
    around = _scope(cell)
    parts = [_within(cell, much), *([around] if around is not None else []), _each(spent), where]
    sentence, limit = _sentence(parts, judged), _limit(run, cell)
    if not usable(cell):
        why = next(iter(why_of(cell)), None) or _failure(cell)
        much, figure, limit = _NO_RESULT, Number(text=UNKNOWN, reason=why), None
        sentence = Text(en=f"no result: {_end(why.en)}", ko=f"결과 없음: {_end(why.ko)}")
    return Claim(
        backend=backend_name(run, cell.backend),
        model=model_name(run, cell.model),
        precision=clean(cell.precision),
        load=loads.plain(cell.scenario),
        scope=around,
        figure=figure,
        value=_value(cell),
        much=much,
        spelled=_scoped(_spelled(much, figure), around) if usable(cell) else much,
        short=_short(cell, figure),
        sentence=sentence,
        spent=spent,
        dark=_dark(cell),
        placed=where if usable(cell) else None,
        assisted=assisted(cell.certificate) if usable(cell) else None,
        on_cpu=on_cpu(cell),
        quality=judged,
        limit=limit,
        tone=tone,
        verdict_text=verdict_text,
        anchor=anchor(key, cell),
    )


def _scope(cell: Cell) -> Text | None:
    """What a number covers where that is not a whole service: `device only`."""
    if cell.scope == "service":
        return None
    title = covered(cell.scope)[0]
    return Text(en=f"{title.en[:1].lower()}{title.en[1:]}", ko=title.ko)


def _scoped(said: Text, around: Text | None) -> Text:
    """`said` with what it covers in brackets, in those that it ends with where there are any."""
    if around is None:
        return said

    def put(text: str, more: str, gap: str) -> str:
        return f"{text[:-1]}; {more})" if text.endswith(")") else f"{text}{gap}({more})"

    return Text(en=put(said.en, around.en, " "), ko=put(said.ko, around.ko, ""))


def _sentence(parts: Sequence[Text], judged: Text | None) -> Text:
    en, ko = ", ".join(part.en for part in parts), ", ".join(part.ko for part in parts)
    if judged is None:
        return Text(en=f"{en}.", ko=f"{ko}.")
    return Text(en=f"{en}; {judged.en}.", ko=f"{ko}; {judged.ko}.")


def _end(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _failure(cell: Cell) -> Text:
    for failure in cell.failures:
        return FAILURE_TEXT[failure.kind]
    return reasons.NO_REASON


def held(cell: Cell) -> tuple[Number, Text]:
    """(the number that counts, what it is of): `14`, `14 cameras at 15 fps`."""
    found = cell.capacity
    if found is not None:
        figure, _ = capacity.number(cell)
        if found.confirmed is None:
            why = capacity.reason(found)
            title = loads.title(cell.scenario)
            return figure, Text(
                en=f"{title.en}: how much it holds is unknown ({why.en})",
                ko=f"{title.ko}: 감당하는 부하를 알 수 없음({why.ko})",
            )
        much = capacity.loaded(found.confirmed, cell.unit, found.searched)
        fps = cell.scenario.params.get("fps")
        if found.searched == "cameras" and fps is not None:
            rate = loads.exact(fps)
            n = capacity.value(found.confirmed, cell.unit, found.searched)
            much = Text(en=f"{much.en} at {rate} fps", ko=f"{rate} fps 카메라 {n}대")
            if not found.confirmed:
                much = Text(en=f"not even one camera at {rate} fps", ko=f"{rate} fps 카메라를 한 대도 감당하지 못함")
        return figure, much
    if cell.scenario.name == "single-stream" and cell.unit != "token":
        figure, _ = of_cell(cell, "latency_p50_ns")
        p99, _ = of_cell(cell, "latency_p99_ns")
        tail = f" (p50; p99 {p99.text})" if p99.text != UNKNOWN else " (p50)"
        return figure, Text(en=f"{figure.text} one at a time{tail}", ko=f"하나씩 {figure.text}{tail}")
    figure, _ = of_cell(cell, rate_key(cell))
    unit = RATES.get(rate_key(cell), same(""))
    if cell.scenario.name == "offline":
        return figure, Text(en=f"{figure.text} {unit.en} all at once", ko=f"한꺼번에 {figure.text} {unit.ko}")
    how = loads.plain(cell.scenario)
    return figure, Text(en=f"{figure.text} {unit.en}, {how.en}", ko=f"{how.ko} {figure.text} {unit.ko}")


_COUNTERS = {"cameras": "대", "users": "명"}


def _short(cell: Cell, figure: Number) -> Text:
    """The number as it stands beside another one of the same load."""
    searched = cell.capacity.searched if cell.capacity is not None else ""
    return Text(en=figure.text, ko=f"{figure.text}{_COUNTERS.get(searched, '')}")


# A unit as it follows its number → number and unit in full words.
_SPELLED: tuple[tuple[Text, Text], ...] = (
    (RATES["pages_per_min"], Text(en="{} pages per minute", ko="분당 {}쪽")),
    (RATES["frames_per_s"], Text(en="{} frames per second", ko="초당 프레임 {}장")),
    (RATES["tokens_per_s"], Text(en="{} tokens per second", ko="초당 토큰 {}개")),
    (RATES["capacity_requests_per_s"], Text(en="{} requests per second", ko="초당 요청 {}건")),
    (RATES["samples_per_s"], Text(en="{} samples per second", ko="초당 샘플 {}개")),
)


def _spelled(much: Text, figure: Number) -> Text:
    """`1,286 pages/min` as `1,286 pages per minute`; what has no such unit as it is."""
    for unit, words in _SPELLED:
        if f"{figure.text} {unit.en}" in much.en:
            n = figure.text
            return Text(
                en=much.en.replace(f"{n} {unit.en}", words.en.format(n)),
                ko=much.ko.replace(f"{n} {unit.ko}", words.ko.format(n)),
            )
    return much


def _within(cell: Cell, much: Text) -> Text:
    """`14 cameras at 15 fps within 66.7 ms (p99)`."""
    found = cell.capacity
    if found is None or not found.confirmed or found.percent is None or not found.bound:
        return much
    limits = " / ".join(f"{what.en}{show_ns(ns)}" for what, ns in capacity.bounds(found))
    use = loads.use(cell.scenario)
    en = f"{much.en} within {limits} (p{found.percent:g})"
    ko = f"{much.ko}(p{found.percent:g} {limits} 이내)"
    return Text(en=en, ko=ko) if use is None else Text(en=f"{en}, {use.en}", ko=f"{ko}, {use.ko}")


def _spent(cell: Cell) -> Iterator[Spent]:
    """Of the whole machine, and of the device under test in the first scope that is known."""
    for scopes in (WHOLE, OWN):
        for scope in scopes:
            number = power_figures.headline(cell, scope)
            if number is not None:
                yield Spent(scope=scope, title=scope_name(scope), number=number, whole=scope in WHOLE)
                break


def _each(spent: Sequence[Spent]) -> Text:
    """`0.0523 cameras per watt (whole machine), 0.341 cameras per watt (card)`."""
    if not spent:
        return _NO_ENERGY
    told = [(each(item.number), item.title) for item in spent]
    return Text(
        en=", ".join(f"{text.en} ({where.en})" for text, where in told),
        ko=", ".join(f"{text.ko}({where.ko})" for text, where in told),
    )


# A unit of a table → number and unit in a sentence.
_PER_WATT: tuple[tuple[Text, Text], ...] = (
    (UNITS["cameras_per_w"], Text(en="{} cameras per watt", ko="와트당 카메라 {}대")),
    (UNITS["users_per_w"], Text(en="{} users per watt", ko="와트당 사용자 {}명")),
)


def each(number: Number) -> Text:
    """A figure of energy with its unit: `0.0523 cameras per watt`, `28.6 J/page`."""
    if number.unit is None:
        return same(number.text)
    for unit, words in _PER_WATT:
        if number.unit == unit:
            return Text(en=words.en.format(number.text), ko=words.ko.format(number.text))
    gap = "" if number.unit.en.startswith("/") else " "
    return Text(en=f"{number.text}{gap}{number.unit.en}", ko=f"{number.text}{gap}{number.unit.ko}")


def _dark(cell: Cell) -> Text:
    """Why a figure of energy is not there, in few words: the section of power tells what each meter lacks."""
    why = power_figures.why_dark([cell], {})
    return Text(en=why.en.partition(": ")[0], ko=why.ko.partition(": ")[0])


def on_cpu(cell: Cell) -> bool:
    """Whether a certificate says that the CPU is what was asked for."""
    return cell.certificate is not None and cell.certificate.device_type == "cpu"


def placed(cell: Cell) -> Text:
    """Where the arithmetic ran."""
    found = cell.certificate
    if cell.execution_kind == "endpoint" or (found is not None and found.execution_kind == "endpoint"):
        return _ENDPOINT
    if found is None or found.extent in ("unknown", "none"):
        return UNPROVEN
    device = DEVICES.get(found.device_type) or same(clean(found.requested))
    assisted = found.extent == "assisted"
    if found.macs_share is None:
        if assisted:
            return Text(en=f"partly on {device.en}, partly on the CPU", ko=f"일부는 {device.ko}, 일부는 CPU에서 실행")
        return Text(en=f"on {device.en}", ko=f"{device.ko}에서 실행")
    share = show_share(found.macs_share)
    if assisted:
        return Text(
            en=f"only {share} of the arithmetic on {device.en}, the rest on the CPU",
            ko=f"연산의 {share}만 {device.ko}에서, 나머지는 CPU에서 실행",
        )
    return Text(en=f"on {device.en} for {share} of the arithmetic", ko=f"연산의 {share}를 {device.ko}에서 실행")


def good_answers(cell: Cell) -> Text | None:
    """`drawn test scenes, mAP50 91.2 %`."""
    found = cell.quality
    if found is None or found.verdict == "unknown":
        return _NO_QUALITY
    score = quality.headline(found)
    data = _DRAWN.get(cell.unit, _DRAWN_DATA) if found.drawn else None
    if score is None:
        return data
    name = quality.title_of(score)
    en, ko = f"{name.en} {quality.value_of(score)}", f"{name.ko} {quality.value_of(score)}"
    return Text(en=en, ko=ko) if data is None else Text(en=f"{data.en}, {en}", ko=f"{data.ko}, {ko}")


def _limit(run: Run, cell: Cell) -> Text | None:
    """What stopped it: the load that failed and why; the largest part of a request's time."""
    found = cell.capacity
    if found is None or found.confirmed is None:
        return None
    why = capacity.why(found, cell.unit)
    if why is None or found.failed is None:
        said = Text(
            en="No load that was tried failed: it may hold more.",
            ko="시험한 부하 가운데 실패한 것이 없어 더 감당할 수도 있습니다.",
        )
    else:
        least = capacity.loaded(found.failed, cell.unit, found.searched)
        said = Text(en=f"{least.en} failed: {why.en}.", ko=f"{least.ko} 실패: {why.ko}.")
    part = stages.bottleneck(run, cell)
    return said if part is None else Text(en=f"{said.en} {part.en}", ko=f"{said.ko} {part.ko}")
