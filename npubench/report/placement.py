"""Placement certificates in words: one sentence that a person who decides understands, and one short line.

Guarantees: the share of the arithmetic and that of the time are always two figures; where it ran is never claimed of
what the certificate calls unknown; what ran in a simulator says so first. Pure.

Not aware of: the table of a certificate (`certificate`), how figures and extents were found (`stats.placement`).
"""

from __future__ import annotations

from collections.abc import Mapping

from npubench.evidence import Certificate
from npubench.lang import Text
from npubench.report import reasons, servers
from npubench.report.foreign import MESSAGE_LIMIT, clean
from npubench.report.numbers import count
from npubench.report.words import EXTENTS, joined, same
from npubench.stats.compared import LABELS
from npubench.stats.placement import CONVERSIONS
from npubench.units import show_share

CPU = "CPUExecutionProvider"
HERE = "npubench"
"""`Origin.compiled_by` of what was compiled on the spot."""
_SUFFIX = "ExecutionProvider"

# Execution kind → (what the sentence begins with, the word of the short line).
_KINDS: dict[str, tuple[Text, Text]] = {
    "simulated": (
        Text(
            en="Simulated: an emulator on this machine's CPU, not the device; never ranked.",
            ko="모의 실행: 장치가 아니라 이 장비의 CPU에서 도는 에뮬레이터입니다. 순위에서 제외합니다.",
        ),
        Text(en="simulated", ko="모의 실행"),
    ),
    "virtual": (
        Text(
            en="Virtual: no model was computed; never ranked.",
            ko="가상: 모델을 계산하지 않았습니다. 순위에서 제외합니다.",
        ),
        Text(en="virtual", ko="가상"),
    ),
    "endpoint": (
        Text(
            en="Network endpoint: a server answered; never ranked with devices of this machine.",
            ko="네트워크 서비스: 서버가 응답했습니다. 이 장비의 장치와 함께 순위를 매기지 않습니다.",
        ),
        Text(en="endpoint", ko="네트워크 서비스"),
    ),
}


def provider(name: str) -> str:
    """A provider's name without what all of ONNX Runtime's end in."""
    return clean(name.removesuffix(_SUFFIX) or name)


def others(found: Certificate, counts: Mapping[str, int] | None) -> dict[str, int]:
    """Those of `counts` that are not the requested provider's."""
    return {name: n for name, n in (counts or {}).items() if name != found.requested and n}


def time_share(found: Certificate) -> float | None:
    """The requested provider's share of the time that nodes account for."""
    total = sum((found.self_time_ns or {}).values())
    return (found.self_time_ns or {}).get(found.requested, 0) / total if total else None


def assisted(found: Certificate | None) -> Text | None:
    """The label that a result carries wherever it stands beside others."""
    return LABELS["cpu_assisted"] if found is not None and found.extent == "assisted" else None


def sentence(found: Certificate, title: Text) -> Text:
    """Where it ran. `title` is the backend's."""
    parts = []
    if found.execution_kind in _KINDS:
        parts.append(_KINDS[found.execution_kind][0])
    # A server or nothing at all: there is no graph of which parts could have gone elsewhere.
    if found.execution_kind not in ("virtual", "endpoint"):
        parts.append(_extent(found, title))
    if found.server is not None:
        parts.append(servers.sentence(found.server))
    if found.origin is not None and found.origin.compiled_by != HERE:
        who, how = clean(found.origin.compiled_by), clean(found.origin.compiler)
        by = f" ({how})" if how else ""
        parts.append(
            Text(
                en=f"The model file was compiled by {who}{by}, not by npubench.",
                ko=f"모델 파일은 npubench가 아니라 {who}{by}에서 컴파일했습니다.",
            )
        )
    return Text(en=" ".join(part.en for part in parts), ko=" ".join(part.ko for part in parts))


def _extent(found: Certificate, title: Text) -> Text:
    if found.extent == "none":
        return _none(found, title)
    if found.extent == "unknown":
        return _unknown(found)
    if found.extent == "assisted":
        return _assisted(found)
    figures = [
        Text(en=f"{show_share(value)} of {en}", ko=f"{ko} {show_share(value)}")
        for value, en, ko in (
            (found.macs_share, "the arithmetic", "연산량"),
            (time_share(found), "the time", "시간"),
        )
        if value is not None
    ]
    rest = _rest(found)
    said = Text(en=", ".join(part.en for part in figures), ko=", ".join(part.ko for part in figures))
    ran = Text(en=f"Ran on {title.en}:", ko=f"{title.ko}에서 실행:")
    if found.execution_kind == "simulated":
        ran = Text(en="The emulator took", ko="에뮬레이터의 몫:")
    if not figures:
        said = Text(
            en="every node" if rest is None else "most of the graph", ko="모든 노드" if rest is None else "대부분"
        )
    english, korean = f"{ran.en} {said.en}", f"{ran.ko} {said.ko}"
    if rest is not None:
        english, korean = f"{english}; {rest.en}", f"{korean}. {rest.ko}"
    return Text(en=f"{english}.", ko=f"{korean}.")


def _rest(found: Certificate) -> Text | None:
    """`2 conversions on the CPU`: what little ran elsewhere."""
    nodes, computing = others(found, found.nodes), others(found, found.compute_nodes)
    if not nodes:
        return None
    where, total, heavy = _where(found, nodes), sum(nodes.values()), sum(computing.values())
    if not heavy:
        n = count(total)
        return Text(
            en=f"{n} {'conversion' if total == 1 else 'conversions'} on {where.en}",
            ko=f"변환 {n}개는 {where.ko}에서 실행",
        )
    ops, n = _ops(found), count(total)
    return Text(
        en=f"{n} {'node' if total == 1 else 'nodes'} on {where.en}{ops}", ko=f"노드 {n}개는 {where.ko}에서 실행{ops}"
    )


def _assisted(found: Certificate) -> Text:
    label, ops = EXTENTS["assisted"][1], _ops(found)
    where = _where(found, others(found, found.nodes) or others(found, found.macs))
    if found.macs_share is not None:
        elsewhere = show_share(1 - found.macs_share)
        return Text(
            en=f"{label.en}: {elsewhere} of the arithmetic ran on {where.en}{ops}.",
            ko=f"{label.ko}: 연산량의 {elsewhere}를 {where.ko}에서 실행했습니다{ops}.",
        )
    nodes = count(sum(others(found, found.compute_nodes).values()))
    return Text(
        en=f"{label.en}: {nodes} computing nodes ran on {where.en}{ops}.",
        ko=f"{label.ko}: 계산 노드 {nodes}개를 {where.ko}에서 실행했습니다{ops}.",
    )


def _none(found: Certificate, title: Text) -> Text:
    nodes = others(found, found.nodes)
    english, korean = f"Nothing ran on {title.en}", f"{title.ko}에서 실행된 것이 없습니다"
    if nodes and not (found.nodes or {}).get(found.requested):
        where, n = _where(found, nodes), count(sum(nodes.values()))
        english = f"{english}: all {n} nodes ran on {where.en}"
        korean = f"{korean}. 노드 {n}개가 모두 {where.ko}에서 실행되었습니다"
    else:
        english += "".join(f": {reason.en}" for reason in own_reasons(found)[:1])
        korean += "".join(f". {reason.ko}" for reason in own_reasons(found)[:1])
    return Text(en=f"{english}. Not a result.", ko=f"{korean}. 결과가 아닙니다.")


def _unknown(found: Certificate) -> Text:
    own = own_reasons(found)
    why = reasons.full(found.macs_reason or found.profile_reason)
    english = own[0].en[:1].upper() + own[0].en[1:] if own else f"Where it ran is not known: {why.en}"
    korean = own[0].ko if own else f"어디에서 실행되었는지 알 수 없습니다: {why.ko}"
    if found.compute_nodes:
        there, n = count(found.compute_nodes.get(found.requested, 0)), count(sum(found.compute_nodes.values()))
        name = provider(found.requested)
        english = f"{english}; {there} of {n} computing nodes were given to {name}"
        korean = f"{korean}. 계산 노드 {n}개 중 {there}개가 {name}에 배정되었습니다"
    return Text(en=f"{english}.", ko=f"{korean}.")


def own_reasons(found: Certificate) -> list[Text]:
    """What the certificate itself says about its extent, cleaned."""
    return [Text(en=clean(text.en, MESSAGE_LIMIT), ko=clean(text.ko, MESSAGE_LIMIT)) for text in found.reasons]


def _where(found: Certificate, elsewhere: Mapping[str, int]) -> Text:
    """The providers that took the rest. ONNX Runtime's own is "the CPU", but where the device asked for is one too."""

    def name(found_there: str) -> Text:
        if found_there != CPU:
            return same(provider(found_there))
        if found.device_type == "cpu":
            return Text(en="ONNX Runtime's own CPU provider", ko="ONNX Runtime 자체 CPU 프로바이더")
        return Text(en="the CPU", ko="CPU")

    ordered = sorted(elsewhere, key=lambda item: (-elsewhere[item], item))
    return joined([name(item) for item in ordered]) if ordered else Text(en="another provider", ko="다른 프로바이더")


def _ops(found: Certificate, most: int = 3) -> str:
    """` (MatMul × 3, Softmax × 1)`, what computes alone: names and numbers read the same in both languages."""
    computing = {name: n for name, n in (found.fallback_ops or {}).items() if name not in CONVERSIONS}
    ordered = sorted(computing.items(), key=lambda item: (-item[1], item[0]))
    if not ordered:
        return ""
    more = f", +{len(ordered) - most}" if len(ordered) > most else ""
    return " (" + ", ".join(f"{clean(name)} × {count(n)}" for name, n in ordered[:most]) + more + ")"


def brief(found: Certificate, unattributed: float) -> Text | None:
    """A line's worth where there is something to say; None for what ran where it was asked to, wholly.

    `unattributed` is the ruleset's bound of time that no node accounts for.
    """
    local = found.execution_kind not in ("virtual", "endpoint")
    labels = [_KINDS[found.execution_kind][1]] if found.execution_kind in _KINDS else []
    if found.server is not None:
        labels.append(servers.label(found.server)[1])
    if found.extent != "full" and local:
        labels.append(EXTENTS[found.extent][1])
    doubts = []
    if lost_much := found.unattributed_share is not None and found.unattributed_share > unattributed:
        lost = show_share(found.unattributed_share)
        doubts.append(Text(en=f"{lost} of time unattributed", ko=f"시간 {lost} 미귀속"))
    # Of a graph that is shared for certain, a refusal is no news.
    if found.strict == "refused" and found.extent == "full" and local:
        doubts.append(Text(en="refused without help of the CPU", ko="CPU 도움 없이 실행 불가"))
    if found.origin is not None and found.origin.compiled_by != HERE:
        who = clean(found.origin.compiled_by)
        doubts.append(Text(en=f"compiled by {who}", ko=f"컴파일: {who}"))
    # Two flags of the certificate's own are said by figures; what is over are the runtime's remarks.
    more = len(found.flags) - lost_much - (found.strict == "passed" and bool(found.fallback_ops))
    if more > 0:
        doubts.append(Text(en=f"{count(more)} {'remark' if more == 1 else 'remarks'}", ko=f"참고 {count(more)}건"))
    if not labels and not doubts:
        return None
    if found.macs_share is not None and found.extent in ("full", "assisted") and local:
        labels.append(Text(en=f"{show_share(found.macs_share)} of MACs", ko=f"연산량 {show_share(found.macs_share)}"))
    said = [*labels, *doubts]
    return Text(en=", ".join(part.en for part in said), ko=", ".join(part.ko for part in said))
