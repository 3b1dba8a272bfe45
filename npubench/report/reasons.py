"""Why a number is missing, in both languages.

Result files carry these reasons as English sentences (`stats`, `engine`). Known ones are given here in Korean too; an
unknown one is shown as it stands, never dropped. `short` is the footnote form: it leaves out what the table says anyway
(how many samples there were), so that hundreds of cells share a handful of footnotes.
"""

from __future__ import annotations

import re

from npubench.lang import Text
from npubench.report.foreign import MESSAGE_LIMIT, clean
from npubench.units import show

_TOO_FEW = re.compile(r"^(\d+) samples; p([\d.]+) needs at least (\d+), (\d+) more$")

_KNOWN = {
    "offline: every request is due from the start, see the throughput": (
        "오프라인: 모든 요청이 처음부터 대기하므로 개별 지연 시간이 없습니다. 처리량을 보세요"
    ),
    "offline: see the throughput": "오프라인: 처리량을 보세요",
    "nothing is scheduled ahead in this scenario": "이 시나리오는 요청 시각을 미리 정하지 않습니다",
    "no request was completed": "완료된 요청이 없습니다",
    "no token times were observed": "토큰 시각이 관측되지 않았습니다",
    "no closed loop was run": "폐루프 측정을 하지 않았습니다",
    "the answers came all at once": "응답이 한꺼번에 도착했습니다",
    "not found": "찾지 못했습니다",
    "too many requests were dropped or failed: what was never answered is infinitely late": (
        "버려지거나 실패한 요청이 너무 많습니다. 응답하지 못한 요청은 무한히 늦은 것으로 칩니다"
    ),
    "no launch finished": "끝까지 실행된 프로세스가 없습니다",
    "this launch has no such value": "이 실행에는 해당 값이 없습니다",
    "the floor could not be measured on this backend": "이 백엔드에서 하네스 하한을 측정하지 못했습니다",
    "the adapter gave no placement evidence": "어댑터가 실행 위치의 증거를 제공하지 않았습니다",
    "the model card has no quality floor: its weights are seeded, so no task quality is claimed": (
        "모델 카드에 품질 하한이 없습니다. 난수로 만든 가중치이므로 품질을 주장하지 않습니다"
    ),
    "the model card has no quality floor, so no quality is claimed": (
        "모델 카드에 품질 하한이 없으므로 품질을 주장하지 않습니다"
    ),
    "the input data has no annotations": "입력 자료에 주석이 없습니다",
    "an endpoint shows no graph": "엔드포인트는 그래프를 보여 주지 않습니다",
    "not measured in this run": "이번 실행에서 측정하지 않았습니다",
    "no meter was asked": "전력 측정기를 사용하지 않았습니다",
    "no power meter answered": "응답한 전력 측정기가 없습니다",
    "not read in this launch": "이 실행에서 읽지 못했습니다",
    "the meter wrote no readings": "측정기가 값을 남기지 않았습니다",
    "the window is empty": "측정 구간이 비어 있습니다",
    "there is no reading before the window's start": "측정 구간이 시작되기 전의 값이 없습니다",
    "there is no reading after the window's end": "측정 구간이 끝난 뒤의 값이 없습니다",
    "readings are missing at the window's edge": "측정 구간 가장자리의 값이 빠져 있습니다",
    "the sensor reported 0 W throughout, which no device draws": "센서가 내내 0 W를 보고했습니다(있을 수 없는 값)",
    "no placement certificate was made in this run": "이번 실행에서 실행 위치 증명서를 만들지 않았습니다",
    "this adapter records no profile": "이 어댑터는 프로파일을 기록하지 않습니다",
    "this session records no profile": "이 세션은 프로파일을 기록하지 않습니다",
    "no profile was recorded": "프로파일이 기록되지 않았습니다",
    "this adapter cannot forbid sharing": "이 어댑터는 분담을 금지할 수 없습니다",
    "the CPU provider shares a graph with nobody": "CPU 프로바이더는 그래프를 나눌 상대가 없습니다",
    "nothing says which provider took which node": "어느 노드를 누가 맡았는지 증거가 없습니다",
    "the graph could not be run on the CPU to see its shapes": "그래프를 CPU에서 실행해 모양을 볼 수 없었습니다",
    "nothing is compiled ahead on this backend": "이 백엔드에서는 미리 컴파일하지 않습니다",
    "compiled in an earlier run; the file was kept": "이전 실행에서 컴파일한 파일을 사용함",
    "no power meter is set up for this backend": "이 백엔드에는 전력 측정기가 설정되어 있지 않습니다",
}

# What begins like this goes on with somebody else's words.
_BEGINNINGS = {
    "the graph could not be run on the CPU: ": "그래프를 CPU에서 실행하지 못했습니다: ",
    "profiling failed: ": "프로파일링 실패: ",
    "no count is known for ": "연산량 공식을 모르는 연산: ",
}

NO_REASON = Text(en="the result file gives no reason", ko="결과 파일에 이유가 적혀 있지 않습니다")
NOT_MEASURED = Text(en="not measured for this cell", ko="이 셀에서는 측정하지 않았습니다")


def full(reason: str | None) -> Text:
    """The whole reason."""
    if not reason:
        return NO_REASON
    if found := _TOO_FEW.match(reason):
        n, percent, least, more = found.groups()
        have, need, lack = (show(float(count), "count") for count in (n, least, more))
        return Text(
            en=f"{have} samples; p{percent} needs at least {need}, {lack} more",
            ko=f"표본 {have}개. p{percent}에는 최소 {need}개가 필요합니다({lack}개 부족)",
        )
    shown = clean(reason, MESSAGE_LIMIT)
    for english, korean in _BEGINNINGS.items():
        if shown.startswith(english):
            return Text(en=shown, ko=korean + shown.removeprefix(english))
    return Text(en=shown, ko=_KNOWN.get(reason, shown))


def short(reason: str | None) -> Text:
    """The footnote form."""
    if found := _TOO_FEW.match(reason or ""):
        _, percent, least, _ = found.groups()
        need = show(float(least), "count")
        return Text(
            en=f"too few samples: p{percent} needs at least {need}",
            ko=f"표본 부족: p{percent}에는 최소 {need}개가 필요합니다",
        )
    return full(reason)
