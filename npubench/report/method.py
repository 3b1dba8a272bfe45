"""How the numbers were made and what they do not mean, in plain words. Prose only; metrics are `metrics.METRICS`."""

from __future__ import annotations

from npubench.lang import Text
from npubench.report.shown import Term


def _term(key: str, en: str, ko: str, meaning_en: str, meaning_ko: str) -> Term:
    return Term(key=key, title=Text(en=en, ko=ko), meaning=Text(en=meaning_en, ko=meaning_ko))


METHOD: tuple[Term, ...] = (
    _term(
        "inputs",
        "Input data",
        "입력 자료",
        "A model reads either a set that npubench drew or a folder of the user's own; which one decides comparability, "
        "and is told with its number of files at the head, in each cell's sheet and, as a hash, on the model's card.",
        "모델은 npubench가 그린 자료나 사용자의 폴더를 읽습니다. 어느 쪽인지에 따라 비교 가능 여부가 정해지며, 파일 "
        "수는 머리말과 셀별 기록에, 해시는 모델 카드에 적습니다.",
    ),
    _term(
        "percentile",
        "Percentile",
        "백분위수",
        "p99 of n sorted samples is sorted[floor(n·0.99)], as MLPerf LoadGen computes it; nothing is interpolated. A "
        "percentile needs enough samples (11 for p50, 64 for p90, 662 for p99, 6,636 for p99.9), else it is left out.",
        "정렬한 표본 n개의 p99는 sorted[floor(n·0.99)]이며 MLPerf LoadGen과 같고 보간하지 않습니다. 표본이 충분해야 "
        "하며(p50 11개, p90 64개, p99 662개, p99.9 6,636개) 부족하면 비워 둡니다.",
    ),
    _term(
        "clock",
        "Clock",
        "시계",
        "CLOCK_MONOTONIC in nanoseconds. Latency begins at the moment a request was scheduled for, not when it "
        "was sent, "
        "so a late load generator counts against the result.",
        "CLOCK_MONOTONIC, 나노초 단위. 지연 시간은 실제로 보낸 시각이 아니라 예정된 시각부터 재므로, 부하 "
        "생성기가 늦으면 "
        "결과에 불리하게 반영됩니다.",
    ),
    _term(
        "launches",
        "Launches",
        "실행 반복",
        "Every cell is measured in fresh processes. Its value is the median of its launches; samples of different "
        "launches are never mixed into one percentile.",
        "셀마다 새 프로세스에서 측정합니다. 셀의 값은 실행별 값의 중앙값이며, 서로 다른 실행의 표본을 하나의 "
        "백분위수로 "
        "섞지 않습니다.",
    ),
    _term(
        "placement",
        "Where it ran",
        "실행 위치",
        "Before anything is timed, each graph runs once on the CPU with nothing optimised: its arithmetic "
        "(multiply-accumulates) is counted by the shapes that occur. The backend then opens the model in three "
        "sessions: as timed (which provider took which node), profiled (which one spent the time), and with sharing "
        "forbidden (whether it takes the whole graph). No published speed comes from the last two.",
        "측정에 앞서 각 그래프를 최적화 없이 CPU에서 한 번 실행해, 실제로 나타난 모양으로 연산량(곱셈 누산, MAC)을 "
        "셉니다. 그다음 백엔드가 모델을 세 가지 세션으로 엽니다. 측정용(어느 프로바이더가 어느 노드를 맡았는가), "
        "프로파일용(누가 시간을 썼는가), 분담 금지(그래프 전체를 받는가). 발표하는 속도는 뒤의 두 세션에서 나오지 "
        "않습니다.",
    ),
    _term(
        "preempted",
        "Pre-empted samples",
        "선점된 표본",
        "When the operating system takes the core away during a request, the sample is kept and counted.",
        "요청 처리 중 운영체제가 코어를 빼앗으면 그 표본을 버리지 않고 개수를 표시합니다.",
    ),
    _term(
        "floor",
        "Overhead floor",
        "하네스 하한",
        "A model of one addition goes through the same path. A cell whose median latency is under 20 times that "
        "floor is "
        "marked overhead-bound: it says more about the harness than about the device.",
        "덧셈 하나짜리 모델을 같은 경로로 측정합니다. 중앙값 지연 시간이 이 하한의 20배 미만인 셀은 '하네스 비용 "
        "지배'로 "
        "표시하며, 장치보다 측정 도구를 더 많이 반영한 값입니다.",
    ),
)

LIMITS: tuple[Text, ...] = (
    Text(
        en="npubench's own frames, pages and prompts are drawn by code. They compare devices under equal work; "
        "they do not "
        "show how a real camera or a real archive behaves.",
        ko="npubench가 제공하는 프레임, 페이지, 질문은 코드로 그린 것입니다. 같은 일을 시켜 장치를 비교할 뿐, "
        "실제 카메라나 "
        "문서고의 동작을 보여 주지는 않습니다.",
    ),
    Text(
        en="Where weights are seeded, a model computes as much as a trained one but knows nothing: no accuracy, "
        "no reading "
        "quality and no answer quality is claimed.",
        ko="난수 가중치 모델은 학습된 모델만큼 계산하지만 아는 것이 없습니다. 정확도, 판독 품질, 답변 품질은 "
        "주장하지 않습니다.",
    ),
    Text(
        en="A dash means unknown, with the reason beside it. It never means zero, and no value is estimated from data "
        "sheets.",
        ko="줄표(–)는 값을 모른다는 뜻이며 이유를 함께 적습니다. 0이라는 뜻이 아니고, 사양서로 추정한 값도 없습니다.",
    ),
    Text(
        en="Placement and energy are published only with evidence (the runtime's own assignment, a meter that "
        "answered).",
        ko="배치와 에너지는 증거(런타임의 배정 정보, 응답한 측정기)가 있을 때만 발표합니다.",
    ),
    Text(
        en="Rates found one at a time and all at once answer different questions, and so do the two scopes: do "
        "not compare "
        "across them.",
        ko="하나씩 처리한 속도와 한꺼번에 처리한 속도는 서로 다른 질문의 답이며, 두 측정 범위도 그렇습니다. 서로 "
        "비교하지 마십시오.",
    ),
)

WORDS: tuple[Term, ...] = (
    _term(
        "cell",
        "cell",
        "셀",
        "One row of the table: a model in a precision, on a backend, under one kind of load, in one scope.",
        "표의 한 행: 한 정밀도의 모델을 한 백엔드에서, 한 가지 부하와 한 측정 범위로 잰 것입니다.",
    ),
    _term(
        "backend",
        "backend",
        "백엔드",
        "A device together with the software that runs models on it.",
        "장치와, 그 장치에서 모델을 실행하는 소프트웨어를 함께 이르는 말입니다.",
    ),
    _term(
        "provider",
        "provider",
        "프로바이더",
        "The part of a runtime that runs a graph's nodes on one kind of device. A graph may be shared among several.",
        "그래프의 노드를 한 종류의 장치에서 실행하는 런타임의 부분. 한 그래프를 여럿이 나눠 맡을 수 있습니다.",
    ),
    _term(
        "assisted",
        "CPU-assisted",
        "CPU 보조",
        "The provider asked for did less of the arithmetic than the ruleset asks (95 % in npubench-1). The figure is "
        "of two devices, and no success.",
        "요청한 프로바이더가 맡은 연산량이 규칙의 하한(npubench-1은 95 %)에 못 미침. 두 장치를 합친 수치이며 성공이 "
        "아닙니다.",
    ),
    _term(
        "scope",
        "scope",
        "측정 범위",
        "What the clock covers. Whole service: from the camera frame or document to the answer. Device only: inference "
        "alone.",
        "시계가 재는 범위. 서비스 전체는 프레임이나 문서부터 답까지, 장치만은 추론만 잽니다.",
    ),
    _term(
        "one-at-a-time",
        "one at a time · all at once",
        "하나씩 · 한꺼번에",
        "One at a time: the next request goes out when the last one is answered; it shows the waiting time. All "
        "at once "
        "(offline): every request waits from the start; it shows the highest rate.",
        "하나씩: 앞 요청이 끝나야 다음을 보내며 기다리는 시간을 보여 줍니다. 한꺼번에(오프라인): 모든 요청이 처음부터 "
        "대기하며 최대 처리량을 보여 줍니다.",
    ),
    _term(
        "percentiles",
        "p50 · p90 · p99",
        "p50 · p90 · p99",
        "Half, nine in ten and ninety-nine in a hundred requests were at most this slow. p99 is what users "
        "complain about.",
        "요청의 절반, 열 중 아홉, 백 중 아흔아홉이 이 시간 안에 끝났습니다. 사용자가 불평하는 것은 p99입니다.",
    ),
    _term(
        "valid",
        "valid · degraded · invalid",
        "유효 · 저하 · 무효",
        "Valid: sound. Degraded: usable, with the stated doubt. Invalid: not a result, however fast.",
        "유효: 믿을 수 있음. 저하: 적힌 의심을 감안하면 쓸 수 있음. 무효: 아무리 빨라도 결과가 아님.",
    ),
    _term(
        "unsupported",
        "unsupported · absent",
        "미지원 · 부재",
        "Unsupported: this backend does not take this model or precision. Absent: the backend could not run on this "
        "machine at all. Both are findings, not failures.",
        "미지원: 백엔드가 이 모델이나 정밀도를 받지 않음. 부재: 이 장비에서 백엔드를 쓸 수 없음. 둘 다 실패가 아니라 "
        "확인된 사실입니다.",
    ),
)
