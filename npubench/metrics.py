"""The metric table: every number that npubench publishes, declared once.

One table feeds JSON, console, HTML and XLSX. A metric has a key (with its unit in the name), the stored unit, which way
is worse, the smallest number of samples that supports it, and a plain meaning in two languages. The minimum counts for
percentiles are the t = 1 column of METRICS.md (64 for p90, 662 for p99), from LoadGen's early-stopping statistic.

Not aware of: how a metric is computed (`stats`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from npubench.lang import Text

Worse = Literal["higher", "lower", "neither"]


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A declared metric. `unit` is as in `units.show`; `minimum_n` is the fewest samples for a value."""

    key: str
    unit: str
    title: Text
    meaning: Text
    worse: Worse
    minimum_n: int = 1


def _metric(
    key: str, unit: str, worse: Worse, en: str, ko: str, meaning_en: str, meaning_ko: str, minimum_n: int = 1
) -> Metric:
    return Metric(
        key=key,
        unit=unit,
        worse=worse,
        title=Text(en=en, ko=ko),
        meaning=Text(en=meaning_en, ko=meaning_ko),
        minimum_n=minimum_n,
    )


# Fewest samples for percentile p: one over-limit request allowed at 99 % confidence (METRICS.md, Early stopping).
MINIMUM_N = {50: 11, 90: 64, 99: 662, 99.9: 6636}


def _percentiles(stem: str, en: str, ko: str, meaning_en: str, meaning_ko: str) -> list[Metric]:
    found = []
    for percent, least in MINIMUM_N.items():
        label = f"p{percent:g}"
        found.append(
            _metric(
                f"{stem}_{label.replace('.', '')}_ns",
                "ns",
                "higher",
                f"{en} {label}",
                f"{ko} {label}",
                f"{meaning_en}; {percent:g} % of them took at most this long.",
                f"{meaning_ko}. 전체의 {percent:g} %가 이 시간 안에 끝났습니다.",
                least,
            )
        )
    return found


def _estimates() -> list[Metric]:
    return [
        _metric(
            f"latency_p{percent:g}".replace(".", "") + "_estimate_ns",
            "ns",
            "higher",
            f"latency p{percent:g}, early-stopping estimate",
            f"지연 시간 p{percent:g} 조기 종료 추정값",
            f"With 99 % confidence at least {percent:g} % of all requests take at most this long (MLPerf LoadGen's "
            "statistic).",
            f"99 % 신뢰도로 전체 요청의 {percent:g} % 이상이 이 시간 안에 끝납니다(MLPerf LoadGen의 통계).",
            least,
        )
        for percent, least in MINIMUM_N.items()
    ]


def _capacities() -> list[Metric]:
    """What was confirmed, and what is sustained whatever the latency, by service unit."""
    held = "The largest load at which the bound was held, confirmed at full length by every launch"
    held_ko = "한계를 지킨 가장 큰 부하로, 모든 실행에서 전체 시간 동안 확인한 값입니다"
    steady = "Completed in a closed loop, whatever the latency: what the device can do at most"
    steady_ko = "지연 시간과 무관하게 쉬지 않고 처리할 때의 값으로, 장치가 낼 수 있는 최대입니다"
    rows = [
        ("capacity_cameras", "cameras", "cameras served", "감당하는 카메라 수", held, held_ko),
        ("capacity_frames_per_s", "frames/s", "frames per second served", "감당하는 초당 프레임", held, held_ko),
        ("capacity_pages_per_min", "pages/min", "pages per minute served", "감당하는 분당 페이지", held, held_ko),
        ("capacity_requests_per_s", "requests/s", "requests per second served", "감당하는 초당 요청", held, held_ko),
        ("capacity_users", "users", "users served", "감당하는 사용자 수", held, held_ko),
        ("sustained_frames_per_s", "frames/s", "frames per second sustained", "초당 지속 프레임", steady, steady_ko),
        ("sustained_pages_per_min", "pages/min", "pages per minute sustained", "분당 지속 페이지", steady, steady_ko),
        (
            "sustained_requests_per_s",
            "requests/s",
            "requests per second sustained",
            "초당 지속 요청",
            steady,
            steady_ko,
        ),
    ]
    return [_metric(key, unit, "lower", en, ko, f"{say}.", f"{say_ko}.") for key, unit, en, ko, say, say_ko in rows]


def _energies() -> list[Metric]:
    """Of the device under test in one scope, over the window in which its load was held."""
    rows: list[tuple[str, str, Worse, str, str, str, str]] = [
        (
            "power_mean_w",
            "W",
            "neither",
            "mean power",
            "평균 전력",
            "Energy in the window over its length, idle included.",
            "구간의 에너지를 길이로 나눈 값으로 유휴 전력을 포함합니다.",
        ),
        (
            "energy_per_request_j",
            "J/request",
            "higher",
            "energy per request",
            "요청당 에너지",
            "Energy in the window over the requests completed in it, idle included.",
            "구간의 에너지를 완료된 요청 수로 나눈 값으로 유휴 전력을 포함합니다.",
        ),
        (
            "net_energy_per_request_j",
            "J/request",
            "higher",
            "net energy per request",
            "요청당 순 에너지",
            "The same less what the device drew idle before the run.",
            "측정 전 유휴 상태의 소비를 뺀 값입니다.",
        ),
        (
            "energy_per_frame_j",
            "J/frame",
            "higher",
            "energy per frame",
            "프레임당 에너지",
            "Energy in the window over the camera frames completed in it.",
            "구간의 에너지를 처리한 카메라 프레임 수로 나눈 값입니다.",
        ),
        (
            "energy_per_page_j",
            "J/page",
            "higher",
            "energy per page",
            "페이지당 에너지",
            "Energy in the window over the document pages read in it.",
            "구간의 에너지를 읽은 문서 페이지 수로 나눈 값입니다.",
        ),
        (
            "tokens_per_j",
            "tokens/J",
            "lower",
            "tokens per joule",
            "1 J당 토큰",
            "Output tokens generated in the window per joule spent in it.",
            "구간에서 쓴 에너지 1 J당 생성한 출력 토큰 수입니다.",
        ),
        (
            "cameras_per_w",
            "cameras/W",
            "lower",
            "cameras per watt",
            "와트당 카메라",
            "Cameras served within their bound per watt of mean power. One over it is the watts of one camera.",
            "평균 전력 1 W당 한계를 지키며 감당한 카메라 수입니다. 역수는 카메라 한 대에 드는 전력(W)입니다.",
        ),
        (
            "users_per_w",
            "users/W",
            "lower",
            "users per watt",
            "와트당 사용자",
            "Users served within their bounds per watt of mean power.",
            "평균 전력 1 W당 한계를 지키며 감당한 사용자 수입니다.",
        ),
    ]
    return [_metric(*row) for row in rows]


ENERGY: tuple[str, ...] = tuple(metric.key for metric in _energies())
"""Metrics of a scope's energy, in the order in which they are shown."""

METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in [
        *_percentiles(
            "latency",
            "latency",
            "지연 시간",
            "Time from a request's scheduled moment to its completion",
            "요청이 예정된 시각부터 완료까지 걸린 시간",
        ),
        _metric(
            "latency_p99_unpreempted_ns",
            "ns",
            "higher",
            "latency p99 without pre-empted samples",
            "선점 제외 지연 시간 p99",
            "The same percentile over the samples during which the operating system did not take the core away.",
            "운영체제가 코어를 빼앗지 않은 표본만으로 계산한 같은 백분위수입니다.",
            662,
        ),
        *_estimates(),
        _metric(
            "dropped_share",
            "ratio",
            "higher",
            "dropped frames",
            "버려진 프레임",
            "Share of frames that were never run because their camera's previous one was still waiting.",
            "같은 카메라의 앞 프레임이 기다리고 있어 처리하지 않고 버린 프레임의 비율입니다.",
        ),
        *_capacities(),
        _metric(
            "samples_per_s",
            "samples/s",
            "lower",
            "samples per second",
            "초당 샘플",
            "Requests completed per second of the timed window.",
            "측정 구간 1초당 완료된 요청 수입니다.",
        ),
        _metric(
            "frames_per_s",
            "frames/s",
            "lower",
            "frames per second",
            "초당 프레임",
            "Camera frames completed per second.",
            "초당 처리한 카메라 프레임 수입니다.",
        ),
        _metric(
            "pages_per_min",
            "pages/min",
            "lower",
            "pages per minute",
            "분당 페이지",
            "Document pages read per minute.",
            "분당 읽은 문서 페이지 수입니다.",
        ),
        _metric(
            "tokens_per_s",
            "tokens/s",
            "lower",
            "tokens per second",
            "초당 토큰",
            "Output tokens generated per second.",
            "초당 생성한 출력 토큰 수입니다.",
        ),
        _metric(
            "tokens_per_s_user_p50",
            "tokens/s",
            "lower",
            "tokens per second and user",
            "사용자당 초당 토큰",
            "How fast one user's answer is written after its first token: one over the median time per output token.",
            "첫 토큰 이후 한 사용자의 답이 나오는 속도로, 출력 토큰당 시간 중앙값의 역수입니다.",
            11,
        ),
        _metric(
            "goodput_requests_per_s",
            "requests/s",
            "lower",
            "requests per second within the bounds",
            "한계를 지킨 초당 요청",
            "Requests per second whose first token and token pace met the ruleset's bounds (goodput).",
            "첫 토큰 시간과 토큰 속도가 모두 규칙의 한계를 지킨 초당 요청 수입니다(goodput).",
        ),
        _metric(
            "output_tokens_p50",
            "tokens",
            "neither",
            "output length",
            "출력 길이",
            "Median number of output tokens per request, counted by the tokenizer or the server, not by stream events.",
            "요청당 출력 토큰 수의 중앙값으로, 스트림 이벤트가 아니라 토크나이저나 서버가 센 값입니다.",
        ),
        *_percentiles(
            "ttft",
            "time to first token",
            "첫 토큰 시간",
            "Time from a request's scheduled moment to its first output token (TTFT)",
            "요청이 예정된 시각부터 첫 출력 토큰까지 걸린 시간(TTFT)",
        )[:3],
        *_percentiles(
            "tpot",
            "time per output token",
            "출력 토큰당 시간",
            "Mean time per output token after the first, one value per request (TPOT)",
            "첫 토큰 이후 출력 토큰 하나당 평균 시간, 요청마다 한 값(TPOT)",
        )[:3],
        *_percentiles(
            "itl",
            "inter-token latency",
            "토큰 간 간격",
            "Gap between consecutive output tokens (ITL)",
            "연속한 두 출력 토큰 사이의 간격(ITL)",
        )[:3],
        _metric(
            "load_ns",
            "ns",
            "higher",
            "model load time",
            "모델 적재 시간",
            "Time to create the session(s), compilation included where the runtime compiles while loading.",
            "세션 생성에 걸린 시간으로, 적재 중 컴파일하는 런타임은 컴파일을 포함합니다.",
        ),
        _metric(
            "first_inference_ns",
            "ns",
            "higher",
            "first inference",
            "첫 추론",
            "Time of the very first request after loading.",
            "적재 직후 첫 요청에 걸린 시간입니다.",
        ),
        _metric(
            "peak_rss_bytes",
            "B",
            "higher",
            "peak memory",
            "최대 메모리",
            "Largest resident memory of the measuring process on the host.",
            "측정 프로세스가 호스트에서 쓴 최대 상주 메모리입니다.",
        ),
        _metric(
            "lag_p99_ns",
            "ns",
            "higher",
            "generator lag p99",
            "부하 생성기 지연 p99",
            "How late the load generator itself issued requests; part of the latency, and of the evidence.",
            "부하 생성기가 요청을 늦게 보낸 정도로, 지연 시간에 포함되며 증거로 남깁니다.",
            64,
        ),
        _metric(
            "host_cores",
            "count",
            "neither",
            "host processors in use",
            "사용한 호스트 코어",
            "Processor cores of the host that the measuring process kept busy while it was loaded.",
            "부하 동안 측정 프로세스가 사용한 호스트 프로세서 코어 수입니다.",
        ),
        _metric(
            "preempted_count",
            "count",
            "neither",
            "pre-empted samples",
            "선점된 표본",
            "Samples during which the operating system took the core away. They are kept, and counted here.",
            "측정 중 운영체제가 코어를 빼앗은 표본 수입니다. 버리지 않고 표시합니다.",
        ),
        _metric(
            "sample_count",
            "count",
            "neither",
            "samples",
            "표본 수",
            "Completed requests in the timed window.",
            "측정 구간에서 완료된 요청 수입니다.",
        ),
        _metric(
            "overhead_floor_ns",
            "ns",
            "neither",
            "overhead floor",
            "하네스 하한",
            "What npubench itself costs per request, measured on a one-node model in the same way.",
            "노드 하나짜리 모델을 같은 방식으로 측정한 npubench 자체의 요청당 비용입니다.",
        ),
        *_energies(),
    ]
}

# Quality figures, in the order in which they are shown. All but `kl` are better when larger.
QUALITY: dict[str, Metric] = {
    metric.key: metric
    for metric in [
        _metric(
            "map50",
            "ratio",
            "lower",
            "mAP50",
            "mAP50",
            "Mean average precision of detection at an overlap of one half (COCO's method), over the classes.",
            "겹침 0.5에서 클래스별 평균 정밀도의 평균(COCO 방식)입니다.",
        ),
        _metric(
            "map50_95",
            "ratio",
            "lower",
            "mAP50-95",
            "mAP50-95",
            "Mean average precision over overlaps from 0.5 to 0.95 (COCO's method).",
            "겹침 0.5–0.95에 걸친 평균 정밀도의 평균(COCO 방식)입니다.",
        ),
        _metric(
            "text_f1",
            "ratio",
            "lower",
            "text F1",
            "문자 영역 F1",
            "Words found: harmonic mean of precision and recall of their boxes at an overlap of one half.",
            "찾은 단어 상자의 정밀도와 재현율의 조화 평균(겹침 0.5)입니다.",
        ),
        _metric(
            "char_accuracy",
            "ratio",
            "lower",
            "characters read right (1 − CER)",
            "문자 정확도(1 − CER)",
            "One minus the character error rate of the words in their true places.",
            "단어의 실제 위치에서 읽은 문자 오류율(CER)을 1에서 뺀 값입니다.",
        ),
        _metric(
            "page_char_accuracy",
            "ratio",
            "lower",
            "whole pages read right (1 − CER)",
            "쪽 전체 문자 정확도(1 − CER)",
            "One minus the character error rate from end to end: words missed or invented count in full.",
            "찾기부터 읽기까지의 문자 오류율을 1에서 뺀 값으로, 놓치거나 지어낸 단어는 전부 오류입니다.",
        ),
        _metric(
            "token_likelihood",
            "ratio",
            "lower",
            "likelihood per token (1 / perplexity)",
            "토큰당 우도(1 / 퍼플렉서티)",
            "One over the teacher-forced perplexity on the user's own text.",
            "사용자 텍스트에 대한 교사 강요 퍼플렉서티의 역수입니다.",
        ),
        _metric(
            "sqnr_db",
            "dB",
            "lower",
            "signal to noise against fp32",
            "fp32 대비 신호 대 잡음비",
            "Centred signal-to-quantisation-noise ratio of the worst output tensor against the fp32 CPU reference.",
            "fp32 CPU 기준 대비 가장 나쁜 출력 텐서의 중심화 신호 대 양자화 잡음비입니다.",
        ),
        _metric(
            "contrast_db",
            "dB",
            "lower",
            "differences between inputs over error",
            "입력 간 차이 대 오차",
            "How far apart the reference's answers to different inputs are, over the error, as a power ratio.",
            "서로 다른 입력에 대한 기준 출력 간 차이와 오차의 전력비입니다.",
        ),
        _metric(
            "top1",
            "ratio",
            "lower",
            "same best class as fp32",
            "fp32와 1순위 일치",
            "How often the best class is the fp32 CPU reference's.",
            "1순위 클래스가 fp32 CPU 기준과 같은 비율입니다.",
        ),
        _metric(
            "kl",
            "",
            "higher",
            "divergence from fp32 (KL)",
            "fp32와의 발산(KL)",
            "Mean Kullback-Leibler divergence (nat) of the class probabilities from the fp32 CPU reference's.",
            "클래스 확률과 fp32 CPU 기준 사이의 평균 쿨백-라이블러 발산입니다.",
        ),
        _metric(
            "repeat_db",
            "dB",
            "lower",
            "signal to noise of repeating an input",
            "같은 입력 반복 시 신호 대 잡음비",
            "How equal the answers to one input are when it is asked again after another.",
            "다른 입력 뒤에 같은 입력을 다시 넣었을 때 출력이 같은 정도입니다.",
        ),
    ]
}
"""`1 − CER` instead of CER: a relative floor (99 % of the reference) then means the same for every task metric."""

# What is searched and the service unit → (metric of what is held, factor); see `capacity_metric`.
_RATES = {"frame": ("capacity_frames_per_s", 1.0), "page": ("capacity_pages_per_min", 60.0)}
_SUSTAINED = {"frame": ("sustained_frames_per_s", 1.0), "page": ("sustained_pages_per_min", 60.0)}
CAPACITY = tuple(metric.key for metric in METRICS.values() if metric.key.startswith("capacity_"))
"""Metrics of which a cell's value is the smallest of its launches: every one of them confirmed that."""


def capacity_metric(searched: str, unit: str) -> tuple[str, float]:
    """(metric, factor) of a confirmed load; `searched` is rate, cameras or users."""
    if searched != "rate":
        return f"capacity_{searched}", 1.0
    return _RATES.get(unit, ("capacity_requests_per_s", 1.0))


def sustained_metric(unit: str) -> tuple[str, float]:
    """(metric, factor) of what is sustained, from requests per second."""
    return _SUSTAINED.get(unit, ("sustained_requests_per_s", 1.0))


# Service unit → (metric, factor from units per second).
THROUGHPUT: dict[str, tuple[str, float]] = {
    "frame": ("frames_per_s", 1.0),
    "page": ("pages_per_min", 60.0),
    "token": ("tokens_per_s", 1.0),
    "sample": ("samples_per_s", 1.0),
}
