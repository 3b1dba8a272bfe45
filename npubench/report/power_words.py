"""Words and figures of power in two languages: scopes, kinds of reading, what an energy metric is counted in.

Not aware of: which cell a figure belongs to (`power`), launches (`energies`).
"""

from __future__ import annotations

from npubench.lang import Text
from npubench.report.shown_base import Number
from npubench.report.words import METER_SCOPES, same
from npubench.spi import HOST, Channel, MeterScope
from npubench.units import UNKNOWN, show, show_joules, show_ns

# From the smallest boundary to the largest.
SCOPE_ORDER: tuple[MeterScope, ...] = ("rail", "chip", "card", "device", "package", "node", "wall")

# Scope → (name in a table, what is inside a reading and what may be compared).
POWER_SCOPES: dict[str, tuple[Text, Text]] = {
    "rail": (
        Text(en="supply rail", ko="전원 레일"),
        Text(
            en="One supply rail of a board: a part of what the device draws, and never its total.",
            ko="보드의 전원 레일 하나로, 장치가 쓰는 전력의 일부일 뿐 합계가 아닙니다.",
        ),
    ),
    "chip": (
        Text(en="chip", ko="칩"),
        Text(
            en="The accelerator chip alone, without its memory, its board's converters and its host. Devices of "
            "different makes draw this line elsewhere: like may be compared with like.",
            ko="가속기 칩만의 값으로 메모리, 보드의 전원 변환부, 호스트는 빠져 있습니다. 제품마다 경계가 다르므로 같은 "
            "제품끼리만 비교합니다.",
        ),
    ),
    "card": (
        Text(en="card", ko="카드"),
        Text(
            en="The whole accelerator card, without the host that feeds it. Vendors' sensors differ: like may be "
            "compared with like.",
            ko="가속기 카드 전체의 값으로, 카드에 일을 주는 호스트는 빠져 있습니다. 공급사마다 센서가 다르므로 같은 "
            "제품끼리만 비교합니다.",
        ),
    ),
    "device": (
        Text(en="device", ko="장치"),
        Text(
            en="What the vendor's tool calls the device; where its boundary lies is the vendor's to say.",
            ko="공급사 도구가 장치라고 부르는 범위이며, 정확한 경계는 공급사만 압니다.",
        ),
    ),
    "package": (
        Text(en="processor package", ko="프로세서 패키지"),
        Text(
            en="The host's processor packages, without memory, cards and power supplies.",
            ko="호스트 프로세서 패키지의 값으로 메모리, 카드, 전원 공급 장치는 빠져 있습니다.",
        ),
    ),
    "node": (
        Text(en="whole machine", ko="장비 전체"),
        Text(
            en="The whole machine as its management controller (BMC) sees it: the scope in which unlike devices can "
            "be ranked, where all cards of the machine are of one kind and loaded.",
            ko="관리 제어기(BMC)가 보는 장비 전체의 값입니다. 장비의 카드가 모두 한 종류이고 모두 부하를 받을 때, 서로 "
            "다른 장치의 순위를 매길 수 있는 범위입니다.",
        ),
    ),
    "wall": (
        Text(en="wall socket", ko="콘센트"),
        Text(
            en="The whole machine and what its power supplies lose, as an outside meter sees it. Unlike devices can "
            "be ranked here, too.",
            ko="외부 계측기로 잰, 전원 공급 장치의 손실까지 포함한 장비 전체의 값입니다. 서로 다른 장치의 순위도 매길 "
            "수 있습니다.",
        ),
    ),
}

UNAVAILABLE = Text(en="unavailable", ko="확인 불가")
SLOWED = Text(en="slowed", ko="감속")

KINDS: dict[str, Text] = {
    "counter": Text(en="energy counter", ko="에너지 카운터"),
    "instant": Text(en="momentary", ko="순시값"),
    "average": Text(en="sensor's average", ko="센서 평균값"),
    "state": Text(en="state", ko="상태"),
}

QUANTITIES: dict[str, Text] = {
    "power": Text(en="power", ko="전력"),
    "energy": Text(en="energy", ko="에너지"),
    "temperature": Text(en="temperature", ko="온도"),
    "clock": Text(en="clock", ko="클럭"),
    "limit": Text(en="power limit", ko="전력 한도"),
    "throttle": Text(en="throttling", ko="스로틀링"),
}

# What a figure of energy is counted in.
UNITS: dict[str, Text] = {
    "energy_per_request_j": Text(en="/request", ko="/요청"),
    "net_energy_per_request_j": Text(en="/request", ko="/요청"),
    "energy_per_frame_j": Text(en="/frame", ko="/프레임"),
    "energy_per_page_j": Text(en="/page", ko="/페이지"),
    "tokens_per_j": Text(en="tokens/J", ko="토큰/J"),
    "cameras_per_w": Text(en="cameras/W", ko="카메라/W"),
    "users_per_w": Text(en="users/W", ko="사용자/W"),
}

# Heads of the columns, in the order in which they stand.
HEADS: dict[str, Text] = {
    "cameras_per_w": Text(en="Cameras per watt", ko="와트당 카메라"),
    "users_per_w": Text(en="Users per watt", ko="와트당 사용자"),
    "tokens_per_j": Text(en="Tokens per joule", ko="1 J당 토큰"),
    "energy_per_frame_j": Text(en="Energy of a frame", ko="프레임당 에너지"),
    "energy_per_page_j": Text(en="Energy of a page", ko="페이지당 에너지"),
    "energy_per_request_j": Text(en="Energy of a request, gross", ko="요청당 에너지(총)"),
    "net_energy_per_request_j": Text(en="Energy of a request, net of idle", ko="요청당 에너지(유휴 제외)"),
    "power_mean_w": Text(en="Mean power", ko="평균 전력"),
}


def watts(value: float | None) -> str:
    return show(value, "W")


def interval(refresh_ns: float | None) -> str:
    """How often a value was renewed, as the time between two of them."""
    return show_ns(refresh_ns) if refresh_ns else UNKNOWN


def figure(key: str, value: float | None) -> Number:
    """A metric of `metrics.ENERGY` as it is shown."""
    if value is None:
        return Number(text=UNKNOWN)
    if key == "power_mean_w":
        return Number(text=watts(value))
    unit = UNITS.get(key)
    if key.endswith("_j") and not key.startswith("tokens"):
        return Number(text=show_joules(value), unit=unit)
    return Number(text=show(value, ""), unit=unit)


def scope_name(scope: str) -> Text:
    """A scope in a table's cell."""
    return POWER_SCOPES[scope][0] if scope in POWER_SCOPES else METER_SCOPES.get(scope, same(scope))


def device_name(device: str) -> Text:
    """Whose reading it is."""
    if not device:
        return Text(en="all devices together", ko="전체 장치 합계")
    return Text(en="processors", ko="프로세서") if device == HOST else same(device)


def kind_name(channel: Channel) -> Text:
    """`power, sensor's average`; of a counter and of a state only what is read."""
    kind = KINDS.get(channel.kind, same(channel.kind))
    if channel.kind == "counter":
        return kind
    what = QUANTITIES.get(channel.quantity, same(channel.quantity))
    if channel.kind == "state":
        return what
    return Text(en=f"{what.en}, {kind.en}", ko=f"{what.ko}({kind.ko})")
