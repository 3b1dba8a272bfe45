"""How power and energy were measured, in plain words. Prose only; the metrics are `metrics.ENERGY`."""

from __future__ import annotations

from npubench.lang import Text
from npubench.report.shown import Term

POWER: tuple[Term, ...] = (
    Term(
        key="energy",
        title=Text(en="Power and energy", ko="전력과 에너지"),
        meaning=Text(
            en="A process of its own reads every meter about ten times a second; each reading carries the times just "
            "before and after it. Energy counters are differenced, powers integrated by trapezoid over the time in "
            "which the confirmed load was held (at least 30 s). A figure needs readings over 90 % of that time and at "
            "least five changes of the value, else it is unavailable. Gross is what was drawn, idle the machine's "
            "baseline before the run, net their difference. ± is what the times of the readings leave open (95 %); "
            "the sensor's own error is the vendor's to state and stands apart.",
            ko="별도 프로세스가 전력계를 초당 약 10회 읽으며, 값마다 읽기 직전과 직후의 시각을 남깁니다. 확인한 부하를 "
            "유지한 시간(30초 이상) 동안 에너지 카운터는 차이를, 전력은 사다리꼴 적분으로 구합니다. 그 시간의 90 % "
            "이상을 읽고 값이 다섯 번 이상 바뀌어야 수치가 되며, 아니면 확인 불가입니다. 총은 사용한 전부, 유휴는 실행 "
            "전 기준선, 순은 그 차이입니다. ±는 읽은 시각 때문에 남는 불확실성(95 %)이고, 센서 자체의 오차는 공급사 "
            "문서의 값을 따로 적습니다.",
        ),
    ),
    Term(
        key="power-scope",
        title=Text(en="What a watt covers", ko="전력의 측정 범위"),
        meaning=Text(
            en="Every figure names its scope: chip, card, device, processor package, whole machine or wall socket. "
            "Figures of different scopes are never added, ranked or drawn on one axis. A total exists only where each "
            "device under test was read in that scope. Unlike devices can be ranked by the whole machine or the wall "
            "socket alone.",
            ko="모든 수치에 칩, 카드, 장치, 프로세서 패키지, 장비 전체, 콘센트 가운데 어느 범위인지 적습니다. 범위가 "
            "다른 수치는 더하거나 순위를 매기거나 한 축에 그리지 않습니다. 합계는 측정 대상 장치를 그 범위에서 모두 "
            "읽었을 때만 냅니다. 서로 다른 장치의 순위는 장비 전체나 콘센트 값으로만 매길 수 있습니다.",
        ),
    ),
    Term(
        key="metering",
        title=Text(en="What measuring power costs", ko="전력 측정의 비용"),
        meaning=Text(
            en="Reading a meter takes processor time and may slow what is measured; both are measured as well, the "
            "latter on fixed work in alternating blocks with and without reading.",
            ko="전력계를 읽는 데도 프로세서 시간이 들고 측정 대상이 느려질 수 있습니다. 둘 다 측정하며, 후자는 같은 "
            "작업을 읽을 때와 읽지 않을 때로 번갈아 실행해 비교합니다.",
        ),
    ),
)
