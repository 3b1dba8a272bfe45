"""`npubench list scenarios|rulesets|traffic`: what can be typed, asked for and named, from the tables that decide it.

Guarantees: nothing here repeats a bound, a default or a meaning; all of it is read from `scenarios.KINDS`, the ruleset
files and `traffic.toml`. Readable in 80 columns, in both languages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console as RichConsole
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Drawn

from npubench import rules, scenarios, traffic
from npubench.lang import Text, here, language
from npubench.units import show, show_duration_s, show_ns

if TYPE_CHECKING:
    from rich.console import RenderableType

_TYPES = {
    int: Text(en="whole number", ko="정수"),
    float: Text(en="number", ko="수"),
    str: Text(en="name", ko="이름"),
}
_EXAMPLES = {
    "single-stream": "single-stream",
    "multi-stream": "multi-stream:batch=8",
    "server": "server:rate=20",
    "offline": "offline:batch=4|8",
    "cameras": "cameras:fps=5|15|30",
    "users": "users:traffic=citizens",
}
_KEY_WIDTH, _KIND_WIDTH = 12, 16


def show_all(parts: Iterator[RenderableType]) -> None:
    """Prints what one of these lists."""
    console = RichConsole(highlight=False)
    for part in parts:
        console.print(part)


def _facts(rows: Sequence[tuple[str, ...]], *widths: int) -> Padding:
    """Rows below a name, all but the last column of a given width."""
    table = Table.grid(padding=(0, 1, 0, 0))
    for width in widths:
        table.add_column(width=width, overflow="fold")
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*(Drawn(part) for part in row))
    return Padding(table, (0, 0, 0, 4))


def list_scenarios() -> Iterator[RenderableType]:
    """Every scenario: its meaning, how it is written, each parameter with type, least value, default and meaning."""
    spoken = language()
    kinds = list(scenarios.KINDS.values())
    common = {
        key: param for key, param in kinds[0].params.items() if all(kind.params.get(key) == param for kind in kinds)
    }
    for name, kind in scenarios.KINDS.items():
        yield Drawn.assemble((name, "bold cyan"), f"  {kind.title[spoken]}")
        yield Padding(Drawn(kind.meaning[spoken]), (0, 0, 0, 4))
        own = [(key, *_param(param, kind.load == key)) for key, param in kind.params.items() if key not in common]
        yield _facts(own, _KEY_WIDTH, _KIND_WIDTH)
        yield Padding(Drawn(f"--scenario '{_EXAMPLES[name]}'", style="dim"), (0, 0, 1, 4))
    yield Drawn(here("every scenario", "모든 시나리오"), style="bold cyan")
    yield _facts([(key, *_param(param, False)) for key, param in common.items()], _KEY_WIDTH, _KIND_WIDTH)
    yield Drawn("")
    yield Drawn(
        here(
            "A | between values measures one scenario for each. A load that is not given is searched.",
            "값 사이의 |는 값마다 시나리오 하나를 뜻합니다. 적지 않은 부하는 탐색합니다.",
        )
    )


def _param(param: scenarios.Param, searched: bool) -> tuple[str, str]:
    spoken = language()
    # A least value below a thousandth only says that 0 is none.
    least = "" if param.type is str else " > 0" if 0 < param.least < 1e-3 else f" ≥ {param.least:g}"
    said = param.meaning[spoken]
    if searched:
        said += here("; searched where it is not given", ". 적지 않으면 탐색합니다")
    elif param.default is not None:
        said += here(f" (default {param.default})", f"(기본값 {param.default})")
    return " | ".join(param.choices) or f"{_TYPES[param.type][spoken]}{least}", said


def list_rulesets() -> Iterator[RenderableType]:
    """Every ruleset: its bounds with their sources, what each scenario must have, its profiles."""
    for path in sorted(rules.FOLDER.glob("*.toml")):
        found = rules.load(path.stem)
        default = here("  (default)", "  (기본)") if found.id == rules.DEFAULT else ""
        yield Drawn.assemble((found.id, "bold cyan"), default)
        yield _facts([(unit, _bound(bound)) for unit, bound in found.bounds.items()], 8)
        yield Padding(Drawn(here("what a result must have", "결과의 요건"), style="dim"), (0, 0, 0, 4))
        yield _facts([(name, _rule(rule)) for name, rule in found.scenarios.items()], 14)
        budgets = ", ".join(f"{name} {show_duration_s(rule.budget_s)}" for name, rule in found.profiles.items())
        if budgets:
            yield Padding(Drawn(here("profiles: ", "프로파일: ") + budgets, style="dim"), (0, 0, 0, 4))
        yield Drawn("")


def _bound(bound: rules.Bound) -> str:
    named = (("", bound.latency_s), ("TTFT ", bound.ttft_s), ("TPOT ", bound.tpot_s))
    limits = ", ".join(f"{name}≤ {show_ns(seconds * 1e9)}" for name, seconds in named if seconds is not None)
    return f"{limits or here('not bound', '한계 없음')} · {bound.why}"


def _rule(rule: rules.ScenarioRule) -> str:
    parts = []
    if rule.percentiles:
        own = " → ".join(f"p{percent:g}" for percent in rule.percentiles)
        parts.append(own)
    for count, en, ko in ((rule.min_queries, "queries", "질의"), (rule.min_samples, "samples", "표본")):
        if count:
            n = show(count, "count")
            parts.append(here(f"≥ {n} {en}", f"{ko} {n}개 이상"))
    if rule.min_duration_s:
        parts.append(f"≥ {show_duration_s(rule.min_duration_s)}")
    return ", ".join(parts) or here("nothing beyond its samples", "표본 외 요건 없음")


def list_traffic() -> Iterator[RenderableType]:
    """Every named kind of use of a language model."""
    spoken = language()
    for name, found in traffic.known().items():
        yield Drawn.assemble((name, "bold cyan"), f"  {found.title[spoken]}")
        shared = here(f", {found.shared_tokens} of them shared", f"(공통 {found.shared_tokens})")
        tokens = here(
            f"{found.prompt_tokens} tokens in{shared if found.shared_tokens else ''}, {found.new_tokens} out",
            f"입력 {found.prompt_tokens}토큰{shared if found.shared_tokens else ''}, 출력 {found.new_tokens}토큰",
        )
        think = here(f"think time {found.think_s:g} s", f"생각하는 시간 {found.think_s:g}초")
        yield Padding(Drawn(f"{tokens} · {think}"), (0, 0, 0, 4))
    yield Padding(Drawn("--scenario 'server:traffic=NAME'", style="dim"), (0, 0, 0, 4))
