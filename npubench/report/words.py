"""The fixed words of a report in two languages: verdicts, kinds, scopes, units.

Not aware of: metrics (`metrics.METRICS` owns their titles and meanings), prose about method (`method`).
"""

from __future__ import annotations

from npubench.cards import Verified
from npubench.evidence import Extent, StrictAnswer
from npubench.lang import Text
from npubench.report.foreign import clean
from npubench.report.shown import Tone
from npubench.schema import VALIDITY_TEXT, ExecutionKind, Validity

_TONES: dict[Validity, Tone] = {"valid": "good", "degraded": "warn", "invalid": "bad", "unsupported": "plain"}
VERDICTS: dict[Validity, tuple[Tone, Text]] = {name: (_TONES[name], text) for name, text in VALIDITY_TEXT.items()}

# Execution kind → (title, meaning). None: nothing ran, so no kind was observed.
KINDS: dict[ExecutionKind | None, tuple[Text, Text]] = {
    "hardware": (
        Text(en="Run on real hardware", ko="실제 하드웨어에서 실행"),
        Text(
            en="The model ran on the device that the backend names.", ko="백엔드가 가리키는 실제 장치에서 실행했습니다."
        ),
    ),
    "simulated": (
        Text(en="Simulated device", ko="모의 장치"),
        Text(
            en="The vendor's simulator ran on the host. These figures say nothing about the real device's speed.",
            ko="공급사 시뮬레이터를 호스트에서 실행했습니다. 실제 장치의 속도를 뜻하지 않습니다.",
        ),
    ),
    "virtual": (
        Text(en="Virtual device", ko="가상 장치"),
        Text(
            en="No model was computed: what is measured is npubench itself.",
            ko="모델을 계산하지 않았으며 npubench 자체를 측정한 값입니다.",
        ),
    ),
    "cpu_fallback": (
        Text(en="Fell back to the CPU", ko="CPU로 대체 실행"),
        Text(
            en="The requested device computed nothing. These are CPU figures under another name: not a result.",
            ko="요청한 장치는 아무것도 계산하지 않았습니다. 다른 이름을 단 CPU 수치이므로 결과가 아닙니다.",
        ),
    ),
    "endpoint": (
        Text(en="Network endpoint", ko="네트워크 서비스"),
        Text(
            en="A server answered over the network; its load by others is not known.",
            ko="서버가 네트워크로 응답했으며, 다른 사용자의 부하는 알 수 없습니다.",
        ),
    ),
    "unknown": (
        Text(en="Ran, but where is not proven", ko="실행했으나 장치가 확인되지 않음"),
        Text(
            en="These cells ran and were timed, but nothing proves on which device. Their figures stand alone: they "
            "are not ranked, and not compared even with themselves.",
            ko="실행하고 시간을 쟀지만 어느 장치에서 실행되었는지 증거가 없습니다. 순위를 매기거나 비교하지 않으며, "
            "같은 셀끼리도 비교하지 않습니다.",
        ),
    ),
    None: (
        Text(en="Gave no result", ko="결과 없음"),
        Text(
            en="These cells failed or are not supported, so it was not observed where they would have run.",
            ko="실패했거나 지원되지 않는 셀이므로, 어디에서 실행되는지 관측하지 못했습니다.",
        ),
    ),
}

SCOPES: dict[str, tuple[Text, Text]] = {
    "service": (
        Text(en="Whole service", ko="서비스 전체"),
        Text(
            en="From the encoded input to the finished answer: decoding, pre-processing, inference, post-processing.",
            ko="부호화된 입력부터 완성된 답까지: 디코딩, 전처리, 추론, 후처리를 모두 포함합니다.",
        ),
    ),
    "device": (
        Text(en="Device only", ko="장치만"),
        Text(
            en="Inference alone, from host memory to host memory. Inputs are ready before the clock starts.",
            ko="호스트 메모리에서 호스트 메모리까지의 추론만 측정합니다. 입력은 미리 준비합니다.",
        ),
    ),
    "resident": (
        Text(en="Device, data resident", ko="장치(데이터 상주)"),
        Text(
            en="Inference with inputs and outputs already on the device; transfers are left out.",
            ko="입출력이 이미 장치에 있는 상태의 추론으로, 전송은 제외합니다.",
        ),
    ),
}

# How much of a model its provider took → what a tag says.
EXTENTS: dict[Extent, tuple[Tone, Text]] = {
    "full": ("good", Text(en="ran there", ko="해당 장치에서 실행")),
    "assisted": ("warn", Text(en="CPU-assisted", ko="CPU 보조")),
    "none": ("bad", Text(en="fell back", ko="대체 실행")),
    "unknown": ("plain", Text(en="not proven", ko="확인되지 않음")),
}

# The answer of a session in which the provider may not share the graph: whether it runs without the CPU's help.
STRICT: dict[StrictAnswer, Text] = {
    "passed": Text(en="it runs", ko="가능"),
    "refused": Text(en="refused", ko="불가"),
    "unknown": Text(en="unknown", ko="알 수 없음"),
}

# How far a backend's card has been tried.
VERIFIED: dict[Verified, tuple[Tone, Text]] = {
    "hardware": ("good", Text(en="verified on hardware", ko="실제 하드웨어에서 검증함")),
    "simulated": ("plain", Text(en="verified in a simulator only", ko="시뮬레이터에서만 검증함")),
    "stand-in": (
        "warn",
        Text(
            en="not verified on hardware (tried on a stand-in only)", ko="실제 장치에서 검증되지 않음(대체물로만 시험)"
        ),
    ),
    "not verified": ("warn", Text(en="not verified on hardware", ko="실제 장치에서 검증되지 않음")),
}

# A rate's unit as it is written behind the number or in a column's head.
RATES: dict[str, Text] = {
    "frames_per_s": Text(en="frames/s", ko="프레임/s"),
    "pages_per_min": Text(en="pages/min", ko="페이지/min"),
    "tokens_per_s": Text(en="tokens/s", ko="토큰/s"),
    "samples_per_s": Text(en="samples/s", ko="샘플/s"),
    "capacity_cameras": Text(en="cameras", ko="카메라"),
    "capacity_users": Text(en="users", ko="사용자"),
    "capacity_frames_per_s": Text(en="frames/s", ko="프레임/s"),
    "capacity_pages_per_min": Text(en="pages/min", ko="페이지/min"),
    "capacity_requests_per_s": Text(en="requests/s", ko="요청/s"),
    "sustained_frames_per_s": Text(en="frames/s", ko="프레임/s"),
    "sustained_pages_per_min": Text(en="pages/min", ko="페이지/min"),
    "sustained_requests_per_s": Text(en="requests/s", ko="요청/s"),
    "goodput_requests_per_s": Text(en="requests/s", ko="요청/s"),
}

# What a power meter's reading covers.
METER_SCOPES: dict[str, Text] = {
    "rail": Text(en="a supply rail", ko="전원 레일"),
    "chip": Text(en="the chip", ko="칩"),
    "card": Text(en="the card", ko="카드"),
    "device": Text(en="the device", ko="장치"),
    "package": Text(en="the processor package", ko="프로세서 패키지"),
    "node": Text(en="the whole machine", ko="장비 전체"),
    "wall": Text(en="at the wall socket", ko="콘센트"),
}

# Who measured: a run's word before the colon.
MEASURERS: dict[str, Text] = {
    "vendor": Text(en="the vendor", ko="공급사"),
    "centre": Text(en="the computing centre", ko="센터"),
    "ci": Text(en="an automatic job (CI)", ko="자동 작업(CI)"),
    "unknown": Text(en="not stated", ko="밝히지 않음"),
}

# Service unit → (key, title).
SERVICES: dict[str, tuple[str, Text]] = {
    "frame": ("cctv", Text(en="CCTV monitoring", ko="CCTV 관제")),
    "page": ("ocr", Text(en="Reading documents (OCR)", ko="문서 판독(OCR)")),
    "token": ("llm", Text(en="Language model", ko="언어 모델")),
    "sample": ("other", Text(en="Other models", ko="기타 모델")),
}


def same(text: object) -> Text:
    """A name that reads the same in both languages."""
    shown = clean(text)
    return Text(en=shown, ko=shown)


def kind(name: str | None) -> tuple[Text, Text]:
    """(title, meaning) of an execution kind; one that is not known here proves nothing."""
    return next((found for known, found in KINDS.items() if known == name), KINDS["unknown"])


def scope(name: str) -> tuple[Text, Text]:
    """(title, meaning) of a scope, a foreign one as it stands."""
    return SCOPES.get(name, (same(name), Text(en="", ko="")))


def joined(parts: list[Text], most: int = 3) -> Text:
    """`a, b and c` · `a, b, c`; what is over `most` is counted."""
    shown, rest = parts[:most], len(parts) - most
    if rest > 0:
        shown = [*shown, Text(en=f"{rest} more", ko=f"그 밖의 {rest}개")]
    english = [part.en for part in shown]
    head = f"{', '.join(english[:-1])} and {english[-1]}" if len(english) > 1 else "".join(english)
    return Text(en=head, ko=", ".join(part.ko for part in shown))
