"""The certificate's figures and the sentences that a reader gets, from made evidence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.evidence import Certificate, RoleEvidence, Startup
from npubench.rules import load
from npubench.spi import AssignedNode, NodeTime, Placement, Profile
from npubench.stats.macs import macs_of
from npubench.stats.placement import Observed, certify, execution_kind, observed, together
from npubench.units import show_share

NPU, CPU = "NpuExecutionProvider", "CPUExecutionProvider"
BLANK = Certificate(
    model="m", precision="int8", variant="static", backend="npu", extent="unknown", execution_kind="unknown"
)
SEEN = {
    "model": Observed(macs={"conv1": 900, "conv2": 100}, edges=(("q", "conv1"), ("conv1", "conv2"), ("conv2", "dq")))
}


def node(name: str, op_type: str, provider: str, subgraph: int = 0) -> AssignedNode:
    return AssignedNode(name=name, op_type=op_type, domain="", provider=provider, subgraph=subgraph)


def row(name: str, op_type: str, provider: str, self_ns: int = 100, calls: int = 1, **shapes: Any) -> NodeTime:
    return NodeTime(name=name, op_type=op_type, provider=provider, calls=calls, self_ns=self_ns, **shapes)


def placed(assigned: list[AssignedNode] | None, device: str = "npu", **more: Any) -> RoleEvidence:
    counts: dict[str, int] = {}
    for item in assigned or []:
        counts[item.provider] = counts.get(item.provider, 0) + 1
    placement = Placement(
        requested=NPU,
        registered=(NPU, CPU),
        selected=tuple(sorted(counts)),
        providers=counts or None,
        device_type=device,
        sources=("assignment",) if counts else (),
    )
    return RoleEvidence(placement=placement, assigned=None if assigned is None else tuple(assigned), **more)


def made(
    evidence: RoleEvidence, wanted: str = "npu", seen: dict[str, Observed] | None = None, **more: Any
) -> Certificate:
    return certify(
        BLANK, {"model": evidence}, SEEN if seen is None else seen, wanted, load(), startup=Startup(), **more
    )


WHOLE = [
    node("q", "QuantizeLinear", CPU),
    node("conv1", "Conv", NPU, 1),
    node("conv2_token_1", "Conv", NPU, 1),
    node("dq", "DequantizeLinear", CPU, 2),
]


def test_conversions_at_the_edges_leave_a_model_whole():
    evidence = placed([*WHOLE[:2], node("conv2", "Conv", NPU, 1), WHOLE[3]])
    found = made(evidence)
    assert found.extent == "full"
    assert found.nodes == {CPU: 2, NPU: 2}
    assert found.compute_nodes == {NPU: 2}
    assert found.macs == {NPU: 1000}
    assert found.macs_unmatched == 0
    assert found.macs_share == 1
    assert found.subgraphs == 1
    assert found.crossings == 2
    assert found.fallback_ops == {"QuantizeLinear": 1, "DequantizeLinear": 1}
    assert found.execution_kind == "hardware"
    assert found.reasons[0].en == (
        f"100 % of the arithmetic ran on {NPU}; 2 of 4 nodes did not: DequantizeLinear × 1, QuantizeLinear × 1"
    )


def test_arithmetic_on_the_cpu_is_called_by_its_name():
    found = made(placed([node("conv1", "Conv", CPU), node("conv2", "Conv", NPU, 1)]))
    assert found.extent == "assisted"
    assert found.macs_share == 0.1
    assert found.reasons[0].en == (
        f"CPU-assisted: only 10.0 % of the arithmetic ran on {NPU}, the rest on {CPU}: Conv × 1"
    )


def test_nothing_on_the_provider_is_no_result():
    found = made(placed([node("conv1", "Conv", CPU), node("conv2", "Conv", CPU)]))
    assert (found.extent, found.execution_kind) == ("none", "cpu_fallback")
    assert found.reasons[0].en == f"nothing ran on {NPU}: all 2 nodes were given to another provider"


def test_assigned_but_never_seen_running_is_no_result():
    profile = Profile(rows=(row("conv1", "Conv", CPU), row("conv2", "Conv", CPU)), runs=1, run_ns=200)
    found = made(placed([node("conv1", "Conv", NPU), node("conv2", "Conv", NPU)], profile=profile))
    assert found.extent == "none"
    assert "the profile shows none of them running there" in found.reasons[0].en


def test_names_that_the_runtime_changed_count_against_the_provider_and_are_said():
    found = made(placed([node("renamed", "Conv", NPU), node("other", "Relu", CPU)]))
    assert found.macs == {}
    assert found.macs_unmatched == 1000
    assert found.extent == "unknown"
    assert "the runtime renamed its nodes" in found.reasons[0].en


def test_a_node_folded_into_another_is_where_all_others_are():
    found = made(placed([node("fused", "FusedConv", NPU)]))
    assert (found.macs, found.macs_unmatched, found.extent) == ({NPU: 1000}, 0, "full")


def test_what_was_compiled_ahead_is_one_node_for_all_that_is_not_outside():
    found = made(placed([node("EPContext_1", "EPContext", NPU), node("conv2", "Conv", CPU)]))
    assert found.macs == {NPU: 900, CPU: 100}
    assert found.extent == "assisted"
    # q and conv1 are inside; conv2 and what follows it is not: in and out again.
    assert (found.subgraphs, found.crossings) == (1, 2)
    two = made(placed([node("A", "EPContext", NPU), node("conv2", "Conv", CPU), node("B", "EPContext", NPU)]))
    assert two.subgraphs == 2


def test_what_is_left_outside_of_a_compiled_part_is_named_and_not_counted_against_one_node():
    evidence = placed([node("EPContext_1", "EPContext", NPU), node("q", "QuantizeLinear", CPU)])
    found = certify(BLANK, {"model": evidence}, SEEN, "npu", load(), startup=Startup(compile_ns=5))
    assert found.extent == "full"
    assert found.reasons[0].en == (
        f"100 % of the arithmetic ran on {NPU}, compiled ahead; left outside: QuantizeLinear × 1"
    )


def test_rewritten_products_keep_their_names():
    seen = {"model": Observed(macs={"a": 10, "b": 10}, edges=())}
    evidence = placed([node("a/MatMulAddFusion", "Gemm", NPU), node("b", "MatMul", CPU)])
    assert made(evidence, seen=seen).macs == {NPU: 10, CPU: 10}


def test_time_by_provider_and_what_no_node_accounts_for():
    profile = Profile(rows=(row("x", "fused", NPU, 600), row("q", "QuantizeLinear", CPU, 100)), runs=2, run_ns=1000)
    found = made(placed([node("conv1", "Conv", NPU), node("q", "QuantizeLinear", CPU)], profile=profile))
    assert found.self_time_ns == {NPU: 600, CPU: 100}
    assert found.unattributed_share == pytest.approx(0.3)
    assert found.executing == (CPU, NPU)
    assert found.sources == ("assignment", "profile")
    assert found.flags[0].en.startswith("30.0 % of the profiled time belongs to no node")


def test_without_any_record_everything_is_unknown_and_nothing_zero():
    found = made(RoleEvidence(profile_reason="no profile here"))
    assert found.extent == "unknown"
    assert found.execution_kind == "unknown"
    unknown = (found.nodes, found.compute_nodes, found.macs, found.macs_share, found.self_time_ns, found.crossings)
    assert unknown == (None,) * 6
    assert found.fallback_ops is None
    assert found.profile_reason == "no profile here"
    assert found.macs_reason == "nothing says which provider took which node"


def test_an_empty_record_proves_nothing():
    # WebGPU 1.27 returned an empty assignment although every kernel ran on it.
    profile = Profile(rows=(row("conv1", "Conv", NPU), row("conv2", "Conv", NPU)), runs=1, run_ns=200)
    found = made(placed([], profile=profile))
    assert found.nodes is None
    assert found.macs == {NPU: 1000}
    assert found.extent == "full"


def test_counts_without_names_still_show_a_fallback():
    placement = Placement(requested=NPU, providers={CPU: 4}, fallback_ops={"Conv": 4})
    found = made(RoleEvidence(placement=placement))
    assert (found.extent, found.nodes, found.fallback_ops) == ("none", {CPU: 4}, {"Conv": 4})


def test_a_heavy_operator_without_a_formula_makes_the_count_unknown():
    seen = {"model": Observed(macs={"conv1": 5}, edges=(), uncounted={"Einsum": 2})}
    found = made(placed([node("conv1", "Conv", NPU), node("e", "Einsum", CPU)]), seen=seen)
    assert found.macs is None
    assert found.macs_reason == "no count is known for Einsum × 2"
    assert found.extent == "unknown"


def test_a_model_without_arithmetic_is_judged_by_its_nodes():
    seen = {"model": Observed(macs={}, edges=())}
    assert made(placed([node("add", "Add", NPU)]), seen=seen).macs_share == 1
    half = made(placed([node("add", "Add", NPU), node("mul", "Mul", CPU)]), seen=seen)
    assert (half.macs_share, half.extent) == (0.5, "assisted")


def test_an_npu_provider_on_a_cpu_is_simulated_and_virtual_devices_are_virtual():
    assert made(placed(WHOLE, device="cpu")).execution_kind == "simulated"
    assert made(placed(WHOLE, device="virtual")).execution_kind == "virtual"
    assert execution_kind("cpu", None) == "hardware"
    assert execution_kind("npu", None) == "unknown"
    assert execution_kind("endpoint", None) == "endpoint"
    assert execution_kind("none", None) == "virtual"


def test_one_refused_graph_is_a_refusal():
    passed, refused = placed(WHOLE, strict="passed"), placed(WHOLE, strict="refused", strict_reason="Fail: no")
    found = certify(
        BLANK, {"a": passed, "b": refused}, {"a": SEEN["model"], "b": SEEN["model"]}, "npu", load(), startup=Startup()
    )
    assert (found.strict, found.strict_reason) == ("refused", "Fail: no")
    assert found.macs == {NPU: 1800}
    assert found.macs_unmatched == 200


def test_one_graph_without_a_record_makes_the_nodes_unknown():
    known, unknown = placed(WHOLE), placed(None)
    assert known.placement is not None
    assert unknown.placement is not None
    joined = together([known.placement, unknown.placement])
    assert joined is not None
    assert joined.providers is None


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100 %"), (0.99999, "99.9 %"), (0.5, "50.0 %"), (0.0004, "0.0400 %")]
)
def test_a_share_is_never_rounded_up_to_the_whole(share: float, text: str):
    assert show_share(share) == text


@pytest.mark.parametrize(
    ("op_type", "inputs", "outputs", "macs"),
    [
        ("Conv", [(1, 3, 8, 8), (16, 3, 3, 3)], [(1, 16, 8, 8)], 1024 * 27),
        ("Conv", [(1, 16, 8, 8), (16, 1, 3, 3)], [(1, 16, 8, 8)], 1024 * 9),
        ("QLinearConv", [(1, 3, 8, 8), (), (), (16, 3, 3, 3)], [(1, 16, 8, 8)], 1024 * 27),
        ("ConvTranspose", [(1, 4, 5, 5), (4, 2, 2, 2)], [(1, 2, 10, 10)], 100 * 8),
        ("MatMul", [(2, 7, 5), (5, 3)], [(2, 7, 3)], 42 * 5),
        ("MatMul", [(5,), (5, 3)], [(3,)], 15),
        ("Gemm", [(5, 7), (5, 3)], [(7, 3)], 105),
        ("MatMulNBits", [(1, 4, 64), (32, 2, 16)], [(1, 4, 32)], 128 * 64),
        ("LSTM", [(6, 2, 3), (1, 20, 3), (1, 20, 5)], [(6, 1, 2, 5)], 12 * (60 + 100)),
        ("Attention", [(1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 4)], [(1, 2, 3, 4)], 2 * 24 * 5),
        ("Attention", [(1, 3, 8), (1, 5, 8), (1, 5, 8)], [(1, 3, 8), (1, 2, 9, 4), (1, 2, 9, 4)], 2 * 24 * 9),
        ("Relu", [(1, 3)], [(1, 3)], 0),
        ("Einsum", [(1, 3)], [(1, 3)], None),
        ("Conv", [], [], None),
    ],
)
def test_multiply_accumulates_of_an_operator(op_type: str, inputs: list, outputs: list, macs: int | None):
    item = row("n", op_type, CPU, input_shapes=tuple(inputs), output_shapes=tuple(outputs))
    assert macs_of(item) == macs


def test_pieces_are_the_runtime_s_or_the_connected_ones():
    whole = [node("conv1", "Conv", NPU, 1), node("relu", "Relu", NPU, 1), node("conv2", "Conv", NPU, 2)]
    assert made(placed(whole)).subgraphs == 2
    singly = [node(name, "Conv", NPU, index) for index, name in enumerate(("conv1", "conv2", "inserted"))]
    assert made(placed(singly)).subgraphs == 1
    cut = [node("q", "Conv", NPU, 1), node("conv1", "Conv", CPU, 2), node("conv2", "Conv", NPU, 3)]
    assert made(placed(cut)).subgraphs == 2


def test_observed_counts_are_of_one_step():
    shapes = {"input_shapes": ((1, 2), (2, 3)), "output_shapes": ((1, 3),)}
    rows = (row("a", "MatMul", CPU, calls=4, **shapes), row("e", "Einsum", CPU, calls=2))
    found = observed(Profile(rows=rows, runs=2, run_ns=1), [("a", "e")])
    assert found == Observed(macs={"a": 24}, edges=(("a", "e"),), uncounted={"Einsum": 2})


@given(st.lists(st.tuples(st.integers(0, 1000), st.sampled_from([NPU, CPU])), min_size=1, max_size=12))
def test_shares_add_up_and_the_extent_follows_them(parts: list[tuple[int, str]]):
    nodes = [node(f"n{index}", "MatMul", provider) for index, (_, provider) in enumerate(parts)]
    seen = {"model": Observed(macs={f"n{index}": count for index, (count, _) in enumerate(parts)}, edges=())}
    found = made(placed(nodes), seen=seen)
    assert found.macs is not None
    assert sum(found.macs.values()) + (found.macs_unmatched or 0) == sum(count for count, _ in parts)
    if all(provider == CPU for _, provider in parts):
        assert found.extent == "none"
    else:
        assert found.macs_share is not None
        assert found.extent == ("full" if found.macs_share >= load().min_macs_assigned else "assisted")
