"""The placement certificate: from what a backend's worker saw, the figures that say where a model ran (METRICS.md).

Pure. Several figures, never one: nodes, compute nodes, multiply-accumulates by observed shapes, self time. What the
evidence does not say stays None with a reason. Multiply-accumulates that could not be matched by name count against the
requested provider where another one took part, and are said.

Not aware of: how evidence is gathered (`engine.placing`), which launches a certificate belongs to (`assemble`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from npubench.evidence import Certificate, Extent, RoleEvidence, Startup, StrictAnswer
from npubench.lang import Text
from npubench.rules import Ruleset
from npubench.schema import ExecutionKind
from npubench.spi import AssignedNode, NodeTime, Placement, Profile
from npubench.stats.macs import macs_of
from npubench.units import show_share

CONVERSIONS = frozenset(
    {
        "Cast", "CastLike", "Constant", "DequantizeLinear", "DynamicQuantizeLinear", "Flatten", "Identity",
        "MemcpyFromHost", "MemcpyToHost", "QuantizeLinear", "ReorderInput", "ReorderOutput", "Reshape", "Shape",
        "Squeeze", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""Operators that convert or move and compute nothing: runtimes add and drop them as they like."""

# What ONNX Runtime's rewriting appends to the name of the node that it kept (graph_transformer sources, 1.32).
_REWRITTEN = ("/MatMulAddFusion", "_Q4", "_Q8", "_matmul_Q4", "_matmul_Q8")

COMPILED = "EPContext"
"""The operator that stands for a piece which ONNX Runtime compiled ahead."""

T = TypeVar("T")


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """One graph's own facts: multiply-accumulates per node name in one step, and its edges.

    `uncounted`: heavy operators without a formula, by type; where there are any the total is unknown.
    """

    macs: dict[str, int]
    edges: tuple[tuple[str, str], ...]
    uncounted: dict[str, int] = {}


def observed(profile: Profile, edges: Iterable[tuple[str, str]]) -> Observed:
    """From the profile of one step of the unoptimised graph on the CPU (which may run the graph many times)."""
    macs: Counter[str] = Counter()
    uncounted: Counter[str] = Counter()
    for row in profile.rows:
        found = macs_of(row)
        if found is None:
            uncounted[row.op_type] += row.calls
        elif found:
            macs[row.name] += found
    return Observed(macs=dict(macs), edges=tuple(edges), uncounted=dict(uncounted))


def execution_kind(wanted: str, placement: Placement | None) -> ExecutionKind:
    """What a result of a backend for device type `wanted` is, from the evidence (METRICS.md, Placement)."""
    if wanted == "endpoint":
        return "endpoint"
    if wanted == "none":
        return "virtual"
    if placement is not None:
        if placement.providers is not None and not placement.providers.get(placement.requested, 0):
            return "cpu_fallback"
        if wanted == "npu" and placement.device_type == "cpu":
            return "simulated"
        if placement.device_type == "virtual":
            return "virtual"
    # A CPU backend has nowhere to fall back to; of anything else, silence proves nothing.
    return "hardware" if wanted == "cpu" or (placement is not None and placement.providers is not None) else "unknown"


def together(evidence: Sequence[Placement]) -> Placement | None:
    """One placement for a pipeline of several graphs: nodes are added up; unknown in one is unknown for all."""
    if not evidence:
        return None
    known = [found.providers for found in evidence if found.providers is not None]
    fallen = [found.fallback_ops for found in evidence if found.fallback_ops is not None]
    types = {found.device_type for found in evidence}
    return msgspec.structs.replace(
        evidence[0],
        selected=tuple(sorted({name for found in evidence for name in found.selected})),
        providers=dict(sum(map(Counter, known), Counter())) if len(known) == len(evidence) else None,
        fallback_ops=dict(sum(map(Counter, fallen), Counter())) if len(fallen) == len(evidence) else None,
        device_type=types.pop() if len(types) == 1 else "",
        sources=tuple(sorted({name for found in evidence for name in found.sources})),
        devices=_unique(device for found in evidence for device in found.devices),
        notes=_unique(note for found in evidence for note in found.notes),
    )


def _unique(values: Iterable[T]) -> tuple[T, ...]:
    """Each value once, in order; for values that cannot be hashed."""
    found: list[T] = []
    for value in values:
        if value not in found:
            found.append(value)
    return tuple(found)


def certify(
    blank: Certificate,
    evidence: Mapping[str, RoleEvidence],
    seen: Mapping[str, Observed],
    wanted: str,
    rules: Ruleset,
    *,
    startup: Startup,
    unseen: str | None = None,
) -> Certificate:
    """`blank` (whose it is, versions, devices) with the figures of all its graphs together.

    `seen` has each role's own facts, or lacks it, and then `unseen` says why. `wanted` is the card's device type.
    """
    placements = [found.placement for found in evidence.values() if found.placement is not None]
    placement = together(placements) if len(placements) == len(evidence) else None
    requested = placement.requested if placement is not None else blank.requested
    assigned = _assigned(evidence)
    times, wall_ns, profile_reason = _times(evidence)
    # An adapter may know how many nodes each provider took without knowing which.
    counted = placement.providers if placement is not None else None
    nodes = _by_provider(assigned, lambda node: True) if assigned is not None else counted
    compute = _by_provider(assigned, lambda node: node.op_type not in CONVERSIONS)
    macs, unmatched, macs_reason = _macs(evidence, seen, unseen)
    share = _share(macs, unmatched, compute, requested)
    fallen = _fallen(assigned, placement, requested)
    strict, strict_reason = _strict(evidence)
    found = msgspec.structs.replace(
        blank,
        extent="unknown",
        execution_kind=execution_kind(wanted, placement),
        requested=requested,
        registered=placement.registered if placement is not None else (),
        selected=placement.selected if placement is not None else (),
        executing=None if times is None else tuple(sorted(times)),
        device_type=placement.device_type if placement is not None else "",
        devices=placement.devices if placement is not None and placement.devices else blank.devices,
        nodes=nodes,
        compute_nodes=compute,
        macs=macs,
        macs_unmatched=unmatched,
        macs_reason=macs_reason,
        macs_share=share,
        self_time_ns=times,
        unattributed_share=max(0.0, 1 - sum(times.values()) / wall_ns) if times is not None and wall_ns else None,
        profile_reason=profile_reason,
        subgraphs=_subgraphs(evidence, seen, requested),
        crossings=_crossings(evidence, seen),
        fallback_ops=fallen,
        strict=strict,
        strict_reason=strict_reason,
        sources=_sources(placement, times),
        startup=startup,
    )
    extent, why = _extent(found, rules)
    said = tuple(Text(en=note, ko=note) for note in placement.notes) if placement is not None else ()
    return msgspec.structs.replace(found, extent=extent, reasons=why, flags=(*said, *_flags(found, rules)))


def _assigned(evidence: Mapping[str, RoleEvidence]) -> list[AssignedNode] | None:
    """Every node of every graph; None where one graph has no record (an empty record proves nothing either)."""
    nodes: list[AssignedNode] = []
    for found in evidence.values():
        if not found.assigned:
            return None
        nodes += found.assigned
    return nodes


def _by_provider(nodes: Sequence[AssignedNode] | None, counts: Callable[[AssignedNode], bool]) -> dict[str, int] | None:
    return None if nodes is None else dict(Counter(node.provider for node in nodes if counts(node)).most_common())


def _fallen(nodes: Sequence[AssignedNode] | None, placement: Placement | None, requested: str) -> dict[str, int] | None:
    """Operators that another provider took, by type."""
    if nodes is None:
        return placement.fallback_ops if placement is not None else None
    return dict(Counter(node.op_type for node in nodes if node.provider != requested).most_common())


def _times(evidence: Mapping[str, RoleEvidence]) -> tuple[dict[str, int] | None, int, str | None]:
    """Self time per provider over all graphs, wall time of their runs, and why there is none."""
    times: Counter[str] = Counter()
    wall_ns = 0
    for found in evidence.values():
        if found.profile is None:
            return None, 0, found.profile_reason or "no profile was recorded"
        for row in found.profile.rows:
            times[row.provider] += row.self_ns
        wall_ns += found.profile.run_ns
    return dict(times.most_common()), wall_ns, None


def _plain(name: str) -> str:
    """A node's name in the model, without what rewriting appended to it."""
    for suffix in _REWRITTEN:
        name = name.removesuffix(suffix)
    return name


def _providers_of(found: RoleEvidence) -> dict[str, str]:
    """Node name → provider, by assignment, else by profile (a fused piece has no name of the model's)."""
    if found.assigned:
        return {_plain(node.name): node.provider for node in found.assigned}
    rows: Sequence[NodeTime] = found.profile.rows if found.profile is not None else ()
    return {_plain(row.name): row.provider for row in rows}


def _macs(
    evidence: Mapping[str, RoleEvidence], seen: Mapping[str, Observed], unseen: str | None
) -> tuple[dict[str, int] | None, int | None, str | None]:
    """Multiply-accumulates per provider, those without a provider, and why they are unknown."""
    total: Counter[str] = Counter()
    unmatched = 0
    for role, found in evidence.items():
        graph = seen.get(role)
        if graph is None:
            return None, None, unseen or "the graph could not be run on the CPU to see its shapes"
        if graph.uncounted:
            listed = ", ".join(f"{name} × {count}" for name, count in sorted(graph.uncounted.items()))
            return None, None, f"no count is known for {listed}"
        providers = _providers_of(found)
        if not providers:
            return None, None, "nothing says which provider took which node"
        rest = _provider_of_rest(found, providers)
        for name, count in graph.macs.items():
            provider = providers.get(_plain(name), rest)
            if provider is None:
                unmatched += count
            else:
                total[provider] += count
    return dict(total.most_common()), unmatched, None


def _provider_of_rest(found: RoleEvidence, providers: Mapping[str, str]) -> str | None:
    """Who has the nodes that are not named, where that is certain.

    A node without a name was folded or fused into one that has one: where all are on one provider, so is it. What was
    compiled ahead is one node (EPContext) for everything that is not left outside.
    """
    if (compiled := _compiled_by(found)) is not None:
        return compiled
    sides = set(providers.values())
    return sides.pop() if len(sides) == 1 else None


def _compiled_by(found: RoleEvidence) -> str | None:
    """The one provider that compiled pieces of this graph ahead; None where there is none, or several."""
    sides = {node.provider for node in found.assigned or () if node.op_type == COMPILED}
    return sides.pop() if len(sides) == 1 else None


def _share(
    macs: Mapping[str, int] | None, unmatched: int | None, compute: Mapping[str, int] | None, requested: str
) -> float | None:
    """The requested provider's share of all multiply-accumulates; of compute nodes for a model without any."""
    if macs is None:
        return None
    total = sum(macs.values()) + (unmatched or 0)
    if total:
        return macs.get(requested, 0) / total
    nodes = sum(compute.values()) if compute else 0
    return (compute or {}).get(requested, 0) / nodes if nodes else None


def _subgraphs(evidence: Mapping[str, RoleEvidence], seen: Mapping[str, Observed], requested: str) -> int | None:
    """Into how many pieces the requested provider's part is cut.

    As the runtime says where it hands over whole pieces; where it hands over node by node, the connected ones.
    """
    count = 0
    for role, found in evidence.items():
        if not found.assigned:
            return None
        pieces = Counter(node.subgraph for node in found.assigned if node.provider == requested)
        compiled = sum(node.op_type == COMPILED for node in found.assigned if node.provider == requested)
        if compiled:
            count += compiled
        elif max(pieces.values(), default=0) > 1 or len(pieces) < 2:
            count += len(pieces)
        elif role not in seen:
            return None
        else:
            names = {_plain(node.name) for node in found.assigned if node.provider == requested}
            count += _connected(names, seen[role].edges)
    return count


def _connected(names: set[str], edges: Iterable[tuple[str, str]]) -> int:
    """How many connected pieces `names` make; those that touch none of the model's edges are the runtime's own."""
    leader = {name: name for name in names}

    def top(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    touched: set[str] = set()
    for producer, consumer in edges:
        touched |= {producer, consumer} & names
        if producer in names and consumer in names:
            leader[top(producer)] = top(consumer)
    return len({top(name) for name in touched}) or min(1, len(names))


def _crossings(evidence: Mapping[str, RoleEvidence], seen: Mapping[str, Observed]) -> int | None:
    """Tensors of the model that pass from one provider to another; nodes that the runtime added are not counted."""
    count = 0
    for role, found in evidence.items():
        if role not in seen or not found.assigned:
            return None
        providers = _providers_of(found)
        rest = _compiled_by(found)
        for producer, consumer in seen[role].edges:
            sides = providers.get(producer, rest), providers.get(consumer, rest)
            count += None not in sides and sides[0] != sides[1]
    return count


def _strict(evidence: Mapping[str, RoleEvidence]) -> tuple[StrictAnswer, str | None]:
    """Refused where one graph was; passed where all did."""
    answers = {found.strict for found in evidence.values()}
    for answer in ("refused", "unknown"):
        if answer in answers:
            why = next((found.strict_reason for found in evidence.values() if found.strict == answer), None)
            return ("refused" if answer == "refused" else "unknown"), why
    return "passed", None


def _sources(placement: Placement | None, times: Mapping[str, int] | None) -> tuple[str, ...]:
    given = placement.sources if placement is not None else ()
    return tuple(sorted({*given, *(("profile",) if times is not None else ())}))


def _listed(ops: Mapping[str, int], most: int = 6) -> str:
    ordered = sorted(ops.items(), key=lambda item: (-item[1], item[0]))
    more = f" … {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(f"{name} × {count}" for name, count in ordered[:most]) + more


def _extent(found: Certificate, rules: Ruleset) -> tuple[Extent, tuple[Text, ...]]:
    """How much the requested provider took, and the sentences that a reader gets."""
    asked = found.requested or found.backend
    if found.nodes is not None and not found.nodes.get(found.requested, 0):
        return "none", (_nothing(asked, sum(found.nodes.values())),)
    if found.executing is not None and found.requested and found.requested not in found.executing:
        text = Text(
            en=f"{asked} was assigned nodes, but the profile shows none of them running there",
            ko=f"{asked}에 노드가 배정되었으나 프로파일에는 그곳에서 실행된 노드가 없음",
        )
        return ("none" if found.nodes is not None else "unknown"), (text,)
    if found.nodes is None and found.executing is None:
        return "unknown", ()
    others = {name: count for name, count in (found.nodes or {}).items() if name != found.requested}
    share, least = found.macs_share, rules.min_macs_assigned
    if share is None:
        # Without a count of the arithmetic only a graph that is wholly on one provider is known to be there.
        return ("full" if found.nodes is not None and not others else "unknown"), ()
    total = sum((found.macs or {}).values()) + (found.macs_unmatched or 0)
    unmatched = (found.macs_unmatched or 0) / total if total else 0.0
    if share >= least:
        return "full", (_rest(found, others),) if others else ()
    if share + unmatched >= least:
        text = Text(
            en=f"where {show_share(unmatched)} of the arithmetic ran is not known: the runtime renamed its nodes",
            ko=f"연산량의 {show_share(unmatched)}이 어디서 실행되었는지 알 수 없음: 런타임이 노드 이름을 바꿈",
        )
        return "unknown", (text,)
    where = ", ".join(sorted({*others} or {name for name in found.macs or {} if name != found.requested}))
    ops = f": {_listed(found.fallback_ops)}" if found.fallback_ops else ""
    text = Text(
        en=f"CPU-assisted: only {show_share(share)} of the arithmetic ran on {asked}, the rest on {where}{ops}",
        ko=f"CPU 보조: 연산량의 {show_share(share)}만 {asked}에서, 나머지는 {where}에서 실행됨{ops}",
    )
    return "assisted", (text,)


def _nothing(asked: str, nodes: int) -> Text:
    return Text(
        en=f"nothing ran on {asked}: all {nodes} nodes were given to another provider",
        ko=f"{asked}에서 실행된 것이 없음: 노드 {nodes}개가 모두 다른 제공자에 배정됨",
    )


def _rest(found: Certificate, others: Mapping[str, int]) -> Text:
    if found.startup.compile_ns is not None:
        # One node stands for all that was compiled: a count of nodes would say the opposite of what is so.
        return _outside(found, sum(others.values()))
    count, total = sum(others.values()), sum((found.nodes or {}).values())
    listed = _listed(found.fallback_ops or {})
    assert found.macs_share is not None
    share = show_share(found.macs_share)
    return Text(
        en=f"{share} of the arithmetic ran on {found.requested}; {count} of {total} nodes did not: {listed}",
        ko=f"연산량의 {share}이 {found.requested}에서 실행됨. 노드 {total}개 중 {count}개는 다른 곳에서: {listed}",
    )


def _outside(found: Certificate, count: int) -> Text:
    listed, share = _listed(found.fallback_ops or {}), show_share(found.macs_share or 0.0)
    return Text(
        en=f"{share} of the arithmetic ran on {found.requested}, compiled ahead; left outside: {listed or count}",
        ko=f"연산량의 {share}이 사전 컴파일되어 {found.requested}에서 실행됨. 제외된 노드: {listed or count}",
    )


def _flags(found: Certificate, rules: Ruleset) -> tuple[Text, ...]:
    """What a reader of the figures should know: time that no node accounts for, a strict session that was refused."""
    flags = []
    if found.unattributed_share is not None and found.unattributed_share > rules.max_unattributed:
        share = show_share(found.unattributed_share)
        flags.append(
            Text(
                en=f"{share} of the profiled time belongs to no node: the time shares are a part of the story",
                ko=f"프로파일 시간의 {share}이 어느 노드에도 속하지 않음: 시간 비율은 일부만 보여 줌",
            )
        )
    if found.strict == "passed" and found.fallback_ops:
        flags.append(
            Text(
                en="with sharing forbidden the provider takes the whole graph: the partition is the runtime's choice",
                ko="분담을 금지하면 제공자가 그래프 전체를 받음: 분할은 런타임의 선택임",
            )
        )
    return tuple(flags)


def again(found: Certificate, rules: Ruleset) -> Certificate:
    """`found` with what is derived from its own figures derived anew: share, executing providers, extent, reasons."""
    executing = None if found.self_time_ns is None else tuple(sorted(found.self_time_ns))
    share = _share(found.macs, found.macs_unmatched, found.compute_nodes, found.requested)
    anew = msgspec.structs.replace(found, executing=executing, macs_share=share)
    extent, reasons = _extent(anew, rules)
    return msgspec.structs.replace(anew, extent=extent, reasons=reasons)
