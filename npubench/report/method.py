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
        "and is told with its number of files at the head, in each sheet and, as a hash, on the model's card.",
        "모델은 npubench가 그린 자료나 사용자의 폴더를 읽습니다. 어느 쪽인지에 따라 비교 가능 여부가 정해지며, 파일 "
        "수는 머리말과 측정별 기록에, 해시는 모델 카드에 적습니다.",
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
        "프로파일용(누가 시간을 썼는가), CPU 도움 없이(그래프 전체를 받는가). 발표하는 속도는 뒤의 두 세션에서 나오지 "
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

LOADS: tuple[Term, ...] = (
    _term(
        "stopping",
        "How sure a percentile is",
        "백분위수의 확실성",
        "Whether a bound was held at p99 is said with 99 % confidence by MLPerf LoadGen's early-stopping rule: of n "
        "requests so few were over the bound that the true share is below 1 %. With none over it takes 459 requests, "
        "with one 662, with two 838. Where a launch is too short for p99, p95 or p90 is judged instead, named beside "
        "the number, and what p99 still needs is said; a load that is too slow is never saved by a lower percentile.",
        "p99에서 한계를 지켰는지는 MLPerf LoadGen의 조기 종료 규칙으로 99 % 신뢰 수준에서 말합니다. 요청 n개 중 한계를 "
        "넘은 것이 아주 적어 실제 비율이 1 % 미만이어야 합니다. 초과가 없으면 459개, 1개면 662개, 2개면 838개의 요청이 "
        "필요합니다. 실행이 짧아 p99를 말할 수 없으면 p95나 p90으로 판정하고 수치 옆에 밝히며 p99에 더 필요한 수를 "
        "적습니다. 느린 부하를 더 낮은 백분위수로 통과시키는 일은 없습니다.",
    ),
    _term(
        "cameras",
        "Cameras",
        "카메라",
        "Each camera sends a frame every 1/F s, the cameras out of step by a seeded draw. A frame that finds its "
        "camera's previous one still waiting is dropped, and a dropped frame counts as infinitely late. A number of "
        "cameras is held when p99, from the moment a frame was due to its boxes, is at most 1/F.",
        "카메라마다 1/F초 간격으로 프레임을 보내며, 카메라 사이의 시차는 시드로 정합니다. 앞 프레임이 아직 기다리고 "
        "있으면 새 프레임은 버려지고, 버려진 프레임은 무한히 늦은 것으로 칩니다. 프레임이 예정된 시각부터 상자가 나올 "
        "때까지의 p99가 1/F 이하이면 그 카메라 수를 감당한 것입니다.",
    ),
    _term(
        "capacity",
        "How a load is searched and confirmed",
        "부하의 탐색과 확인",
        "First a closed loop shows what is sustained. Loads are then tried around it, short and given up early where "
        "they are hopeless, until the largest that held and the smallest that failed are near each other. The answer "
        "is the largest load that held once more for the full length. The first launch searches, later launches "
        "confirm its answer. A 0 is a result: the least load failed. A dash is none: the time was over, say.",
        "먼저 연속 처리로 지속 처리량을 봅니다. 그 부근의 부하를 짧게 시험하고 가망이 없으면 일찍 멈추면서, 지킨 가장 "
        "큰 부하와 실패한 가장 작은 부하 사이를 좁힙니다. 전체 길이로 다시 시험해 지킨 가장 큰 부하가 답입니다. 첫 "
        "실행이 찾고 이후 실행은 그 답을 확인합니다. 0은 가장 작은 부하도 실패했다는 결과이며, 줄표는 결과가 없다는 "
        "뜻입니다(시간 부족 등).",
    ),
    _term(
        "failed-by",
        "Why a load failed",
        "부하가 실패한 이유",
        "Latency: too many requests over the bound. Dropped frames. A queue that only grew: the load is above what the "
        "device completes. Failed requests. Or npubench's own generator lagged: then it is no finding about the "
        "device.",
        "지연 시간: 한계를 넘은 요청이 너무 많음. 버려진 프레임. 계속 쌓이는 대기열: 장치가 처리하는 것보다 부하가 큼. "
        "실패한 요청. npubench 부하 생성기의 지연: 이때는 장치에 대한 결과가 아닙니다.",
    ),
    _term(
        "sustained",
        "Sustained",
        "지속 처리량",
        "What is completed per second when the next request goes out as soon as one is done, whatever each of them "
        "took. So a device that serves no camera in time still has a number. It is not a service level.",
        "하나가 끝나는 대로 다음 요청을 보낼 때 1초에 완료되는 수이며, 각각의 지연 시간은 묻지 않습니다. 카메라 한 "
        "대도 제때 처리하지 못하는 장치도 이 수치는 있습니다. 서비스 수준을 뜻하지는 않습니다.",
    ),
    _term(
        "lag",
        "Generator lag",
        "부하 생성기의 지연",
        "How late npubench itself sent what was due. It counts against the result, because latency begins at the due "
        "moment; above 50 µs and 2 % of the median latency at p99 the launch counts with caution, and is invalid only "
        "where the lag decides the verdict. Together with the overhead floor this shows that the measuring was not the "
        "bottleneck.",
        "npubench가 예정된 요청을 얼마나 늦게 보냈는지입니다. 지연 시간은 예정된 시각부터 재므로 결과에 불리하게 "
        "반영됩니다. p99가 50 µs와 중앙값 지연의 2 %를 모두 넘으면 주의, 그 지연이 판정을 뒤집을 때만 무효입니다. "
        "하네스 하한과 함께, 측정 도구가 병목이 아니었음을 보여 주는 증거입니다.",
    ),
    _term(
        "stages",
        "Where the time goes",
        "시간이 쓰이는 곳",
        "After the timed window some inputs go through one at a time, with a clock between the stages; medians. Where "
        "decoding is the largest part, a number of cameras is the host's decoder, not the device.",
        "측정 구간이 끝난 뒤 입력 몇 개를 하나씩 처리하며 단계 사이의 시간을 잽니다(중앙값). 디코딩이 가장 크면 카메라 "
        "수는 장치가 아니라 호스트의 디코더를 나타냅니다.",
    ),
    _term(
        "tuning",
        "How the best way to run offline is found",
        "최적 구성을 찾는 법",
        "Batch, sessions, threads and requests in flight are tried side by side, the worse half is given up again and "
        "again, and the best one left is measured against the default once more, in turn. The default against itself, "
        "measured the same way, shows what noise alone does.",
        "배치, 세션, 스레드, 동시 요청 수를 번갈아 시험하며 뒤처진 절반을 거듭 버리고, 남은 가장 좋은 구성을 기본 "
        "구성과 번갈아 다시 잽니다. 같은 방법으로 잰 기본 구성끼리의 비교는 잡음만의 크기를 보여 줍니다.",
    ),
    _term(
        "audits",
        "Audits",
        "감사",
        "Answers of the timed run equal those of the quality run; repeating one input is not more than 10 % faster "
        "than cycling through all (no cache); the length of a language model's answers is as asked.",
        "시간을 잰 실행의 답이 품질 확인 때의 답과 같은지, 같은 입력을 반복해도 10 % 넘게 빨라지지 않는지(캐시 없음), "
        "언어 모델 답의 길이가 요구대로인지 확인합니다.",
    ),
)
"""Said where a run has searched a load, seen stages, or made audits."""

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
        ko="실행 위치와 에너지는 증거(런타임의 배정 정보, 응답한 측정기)가 있을 때만 발표합니다.",
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
        "build",
        "build",
        "빌드",
        "A model made ready for one backend in one precision, compiled if the backend asks for it. Its answers are "
        "judged once, and it has one placement certificate.",
        "모델을 한 백엔드와 한 정밀도에 맞게 준비한 것(필요하면 컴파일 포함). 품질 판정과 실행 위치 증명서가 빌드마다 "
        "하나씩 있습니다.",
    ),
    _term(
        "division",
        "fixed · open division",
        "고정 · 자유 부문",
        "Fixed: all entries in the same precision. Open: each in its best precision whose answers passed.",
        "고정 부문은 모두 같은 정밀도로, 자유 부문은 품질을 통과한 것 중 각자 가장 좋은 정밀도로 비교합니다.",
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
        "pieces",
        "pieces · crossings",
        "하위 그래프 · 경계 통과",
        "Pieces: the connected parts of a graph that a provider took; one is best. Crossings: tensors that go from one "
        "provider to another; each costs a transfer.",
        "하위 그래프: 프로바이더가 맡은, 서로 이어진 그래프 조각. 하나일 때가 가장 좋습니다. 경계 통과: 다른 "
        "프로바이더로 넘어가는 텐서. 하나마다 전송이 필요합니다.",
    ),
    _term(
        "certificate",
        "placement certificate",
        "실행 위치 증명서(placement)",
        "What npubench itself saw of where a build ran: which device took which part of the arithmetic and the time, "
        "by the runtime's own reports. One for each build and device.",
        "빌드가 어디에서 실행되었는지 npubench가 직접 확인한 기록. 연산과 시간을 장치별로 얼마나 맡았는지 런타임의 "
        "보고로 적으며, 빌드와 장치마다 하나씩 있습니다.",
    ),
    _term(
        "assisted",
        "CPU-assisted",
        "CPU 보조",
        "Says where it ran: the device asked for did less of the arithmetic than the ruleset asks (95 % in "
        "npubench-1), the CPU the rest. The figure is of two devices; that is a reason for the verdict “with caution”.",
        "실행 위치를 나타내는 말. 요청한 장치가 맡은 연산량이 규칙의 하한(npubench-1은 95 %)에 못 미쳐 나머지를 CPU가 "
        "처리함. 두 장치를 합친 수치이므로 판정은 ‘주의’가 됩니다.",
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
        "valid · with caution · invalid",
        "유효 · 주의 · 무효",
        "Valid: sound. With caution: usable, with the stated doubt (`degraded` in the files). Invalid: not a result, "
        "however fast.",
        "유효: 믿을 수 있음. 주의: 적힌 이유를 감안하면 쓸 수 있음(결과 파일에서는 `degraded`). 무효: 아무리 빨라도 "
        "결과가 아님.",
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
