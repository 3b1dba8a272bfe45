"""The largest load that was confirmed: saturate, bracket, bisect, confirm, all within one time box.

1. *Saturate*: a closed loop for a tenth of the time shows what is sustained, and so where to look.
2. *Screen*: short trials, in at most half of the time, until neighbouring loads (whole numbers), or loads within 3 %
   (rates), are known, of which one passed and one failed.
3. *Confirm* the best at full length: long enough for the ruleset's own percentile where the time allows it. When that
   fails, step down (twice as far after every failure); when it holds and time is left, look for a larger one between it
   and the smallest that failed to be confirmed, until they are neighbours.

A failure in screening only says where to begin: a short trial may have met a stall that is not the device's, so such a
load may still be confirmed. A failure in *confirmation* counts for good: nothing at or above it is reported.

With a load that an earlier launch confirmed there is no screening and no looking upwards: it is confirmed, or stepped
down from.

A confirmation that was long enough for the ruleset's percentile and held only a lower one is not counted as held while
a smaller load may hold it; it is what is reported, with its percentile, when none does.

Guarantees: no trial is begun that would outlast the budget; nothing is reported as confirmed that was not held by a
trial of purpose `confirm`. Not aware of: how load is made, how a trial is judged (`stats.trials`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from npubench.engine.capacity_answer import answered
from npubench.engine.protocol import Search, Target
from npubench.schema import Capacity, Trial, TrialPurpose
from npubench.stats.trials import Limits

Attempt = Callable[[float | None, int, TrialPurpose], Trial]
"""Runs a load (None: closed loop) for so many ns, for a purpose, and judges it."""

# Shares of the budget (our judgement): what is sustained shows within a tenth; screening leaves half for confirming.
SATURATE = 0.1
SCREEN = 0.5
# A screening trial takes at most this share: saturating leaves time for six of them, which settle a range of 1:64.
SCREEN_TRIAL = 0.065
# Rates are searched to within this, relatively: finer than the spread of a p99 between launches (METRICS, Comparing).
RATE_STEP = 0.03
# An open loop seldom holds a bound at what a closed loop sustains; the first load tried is this share of it.
FIRST = 0.9
# Where there is no time to screen: at six tenths of what is sustained a request waits for three quarters of a service
# on average (one server of constant services, M/D/1: ρ / 2(1 − ρ)); above 0.85 queues are longer than most bounds.
CAUTIOUS, BOLD = 0.6, 0.85
# Of a load that failed, the share over the bound tells how far down to go; this much less is aimed at than is allowed.
AIM = 0.5
# A rate steps down by no more than this share at once.
MOST_DOWN = 0.3
# A rate below this share of what is sustained is not looked for: whoever fails there holds no load.
LEAST_SHARE = 0.05
# A trial plans for so many over the bound as time allows, up to this many: more queries, a more certain answer.
PLANNED_OVER = 10
# A trial plans for this share more queries than it needs: Poisson arrivals may be fewer than expected.
MARGIN = 1.1
# How often a failed confirmation is stepped down from, at most; steps double, so this reaches any load.
MOST_STEPS = 40


class _Clock:
    """The time box."""

    def __init__(self, budget_ns: int, now: Callable[[], int]) -> None:
        self._now = now
        self._start_ns = now()
        self.budget_ns = budget_ns

    def left(self, share: float = 1.0) -> int:
        """What is left of this share of the budget, counted from its start."""
        return int(self._start_ns + share * self.budget_ns) - self._now()


class _Finding:
    """One search on its way."""

    def __init__(self, search: Search, target: Target, held: Limits, attempt: Attempt, now: Callable[[], int]) -> None:
        self.search = search
        self.needed = target.needed
        self.min_duration_ns = target.min_duration_ns
        self.bound_ns = held.latency_ns or held.ttft_ns or 0
        self.clock = _Clock(search.budget_ns, now)
        self.trials: list[Trial] = []
        self.sustained = 0.0
        self._attempt = attempt

    def try_load(self, load: float | None, duration_ns: int, purpose: TrialPurpose) -> Trial:
        found = self._attempt(load, max(1, duration_ns), purpose)
        self.trials.append(found)
        return found

    # Loads, as steps on a line.

    @property
    def least(self) -> float:
        return 1.0 if self.search.whole else self.sustained / (self.search.per_load or 1.0) * LEAST_SHARE

    @property
    def sustainable(self) -> float:
        """The largest load that does not ask for more than what is sustained, but for what one cannot tell from it."""
        if self.search.per_load is None or self.sustained <= 0:
            return math.inf
        load = self.sustained / self.search.per_load * (1 + RATE_STEP)
        return max(math.floor(load), 1.0) if self.search.whole else self.snapped(load)

    def snapped(self, load: float) -> float:
        """A load that can be tried: whole where it must be, a rate with four digits."""
        if self.search.whole:
            return float(max(1, round(load)))
        return max(float(f"{load:.4g}"), self.least)

    def neighbours(self, low: float, high: float) -> bool:
        return high - low <= 1 if self.search.whole else high <= low * (1 + RATE_STEP) * (1 + 1e-6)

    def between(self, low: float, high: float) -> float:
        """The middle, or of few whole numbers the lower one of the two in the middle; rates geometrically."""
        if self.search.whole:
            return float(int(low + high) // 2)
        return self.snapped(math.sqrt(low * high))

    def below(self, load: float, steps: int) -> float:
        return self.snapped(load - steps) if self.search.whole else self.snapped(load * (1 - RATE_STEP) ** steps)

    def held_rate(self, trial: Trial) -> float:
        """The rate at which few enough would be late, seen from one at which too many were; a first guess.

        Waiting in a queue has an exponential tail: in heavy traffic P(wait > b) ~ exp(-2 (1 - ρ) b / (s (c_a² + c_s²)))
        (Kingman 1962), which for Poisson arrivals (c_a = 1), service times that vary little (c_s = 0) and a capacity of
        1/s makes ln(share) rise by 2 b for every request/s more.
        """
        load, allowed = trial.load or 0.0, 1 - (self.needed[0][0] / 100 if self.needed else 0.99)
        if self.bound_ns <= 0 or trial.queries == 0:
            return load * (1 - RATE_STEP)
        excess = math.log(max(1.0, trial.over / trial.queries / (allowed * AIM)))
        down = excess / (2 * self.bound_ns / 1e9) / (self.search.per_load or 1.0)
        return max(load - down, load * (1 - MOST_DOWN))

    # Times.

    def rate(self, load: float) -> float:
        """Requests per second that this load makes. Of users it is what a trial near it showed, or is sustained."""
        if self.search.per_load is not None:
            return load * self.search.per_load
        seen = [trial for trial in self.trials if trial.load and trial.completed_per_s > 0]
        if not seen:
            return max(self.sustained, 1e-9)
        near = min(seen, key=lambda trial: abs(math.log((trial.load or load) / load)))
        # More users do not promise more requests; fewer make fewer.
        return near.completed_per_s * min(1.0, load / (near.load or load))

    def lasting(self, load: float, queries: int) -> int:
        """How long `queries` of this load take, in ns."""
        return math.ceil(queries * MARGIN / self.rate(load) * 1e9)

    def telling_ns(self, load: float) -> int:
        """In this time a queue outgrows the bound when the load is a step too large; before, it looks like success."""
        steps = 1 / RATE_STEP
        return int(self.bound_ns * (max(load, steps) if self.search.whole else steps))

    def screening_ns(self, load: float) -> int:
        """Long enough for the ruleset's own percentile with one over; never more than a trial's share."""
        counts = self.needed[0][1] if self.needed else ()
        wanted = self.lasting(load, counts[1] if len(counts) > 1 else 64)
        return min(max(wanted, self.telling_ns(load)), int(self.clock.budget_ns * SCREEN_TRIAL))

    def least_confirming_ns(self, load: float) -> int:
        """What the weakest percentile needs at least."""
        return self.lasting(load, self.needed[-1][1][0] if self.needed else 1)

    def confirming(self, load: float) -> tuple[int, float | None] | None:
        """How long (ns) this load is to be confirmed, for which percentile; None where not even the weakest can be.

        The ruleset's own percentile with as many over as a third of the time left allows; one over, or none, also when
        that takes more; and long enough for an overload to show. Time for the least confirmation of a lower load is
        kept back, unless this one is the least.
        """
        left = self.clock.left()
        weakest = self.least_confirming_ns(load)
        if left < weakest:
            return None
        lower = self.below(load, 1)
        kept = self.least_confirming_ns(lower) if lower < load else 0
        free = left - kept if left - kept >= weakest else left
        wanted, planned = weakest, None
        for percent, counts in self.needed:
            lasting = [self.lasting(load, count) for count in counts[: PLANNED_OVER + 1]]
            fitting = [ns for number, ns in enumerate(lasting) if ns <= (free if number < 2 else left // 3)]
            if fitting:
                wanted, planned = fitting[-1], percent
                break
        return min(max(wanted, min(self.telling_ns(load), left // 3), self.min_duration_ns), free), planned

    # Steps.

    def saturate(self) -> None:
        trial = self.try_load(None, int(self.clock.budget_ns * SATURATE), "saturate")
        self.sustained = trial.completed_per_s

    def first_load(self, trial: Trial) -> float:
        """Where to begin, from what is sustained."""
        if self.search.per_load is not None:
            at = self.sustained / self.search.per_load
            return self.snapped(math.floor(at) if self.search.whole else at * FIRST)
        if self.search.abreast:
            # So many users were there already; where they were too many, so few that a queue is unlikely.
            return self.snapped(self.search.abreast / (1 if trial.failed_by is None else 4))
        # Little's law: how many were being served at once.
        return self.snapped(self.sustained * (trial.p50_ns or 0.0) / 1e9)

    def unscreened(self) -> float | None:
        """Where to confirm at once; None where the time holds enough requests to screen first.

        A service that takes seconds makes so few requests that screening would use up those that confirming needs.
        Then a load is confirmed at which a queue is seldom long (CAUTIOUS), or the larger one that makes enough
        requests in what is left of the time.
        """
        least = self.needed[-1][1][0] * MARGIN if self.needed else 1.0
        left_s = self.clock.left() / 1e9
        if self.search.per_load is None or self.sustained * CAUTIOUS * left_s * (1 - SCREEN) >= least:
            return None
        enough = least / max(left_s, 1e-9) * (1 + RATE_STEP)
        rate = max(self.sustained * CAUTIOUS, min(enough, self.sustained * BOLD))
        return self.snapped(rate / self.search.per_load)

    def screen(self, first: float) -> float:
        """The largest load that did not fail in short trials, or the least one where all did."""
        low, high, load = 0.0, math.inf, first
        while True:
            lasts = self.screening_ns(load)
            if self.clock.left(SCREEN) < lasts:
                break
            if self.try_load(load, lasts, "search").failed_by is None:
                low = max(low, load)
            else:
                high = min(high, load)
            if low == 0.0:
                if high <= self.least:
                    break
                load = max(self.snapped(high / 2), self.least)
            elif high == math.inf:
                load = self.upwards(low, first)
            elif self.neighbours(low, high):
                break
            else:
                load = self.between(low, high)
                if not low < load < high:
                    break
        if low == 0.0 and high < math.inf:
            # Nothing passed within the time: below what failed.
            return max(self.snapped(high / 2), self.least)
        if not self.search.whole and low > 0.0:
            # Short trials flatter: what the failures above say counts, too.
            failures = [trial for trial in self.trials if trial.failed_by is not None and (trial.load or 0.0) > low]
            low = self.snapped(min([low, *map(self.held_rate, failures)]))
        return low or first

    def upwards(self, low: float, first: float) -> float:
        """The next larger load: a step while it is near what is sustained, beyond that doubling."""
        if self.search.per_load is None:
            return self.snapped(low * 2)
        if self.search.whole:
            return low + 1 if low <= first + 1 else self.snapped(low * 2)
        return self.snapped(low * 1.1) if low <= first * 1.2 else self.snapped(low * 2)

    def confirm(self, load: float, upwards: bool) -> Trial | None:
        """The trial that confirmed the largest load found, stepping down from `load` and back up while time is left."""
        best: Trial | None = None
        limit = math.inf
        for _ in range(MOST_STEPS):
            plan = self.confirming(load)
            if plan is None:
                break
            lasts, planned = plan
            if best is not None and (
                (planned or 0.0) < (best.percent or 0.0)
                or lasts < min(self.telling_ns(load), best.window.end_ns - best.window.start_ns)
            ):
                # What was found is worth more than a larger load of which less can be said.
                break
            if lasts < self.telling_ns(load) and load > self.sustainable:
                # More than what is sustained, and no time for its queue to show that.
                load = self.sustainable
                if best is not None and load <= (best.load or 0.0):
                    break
            trial = self.try_load(load, lasts, "confirm")
            if trial.failed_by is None and not trial.passed and self.clock.left() > 2 * lasts:
                # Undecided: longer, as the time allows.
                trial = self.try_load(load, self.clock.left() // 2, "confirm")
            if trial.passed and (planned is None or (trial.percent or 0.0) >= planned):
                best = trial
            else:
                limit = min(limit, load)
            following = self.following(best, limit, upwards)
            if following is None:
                break
            load = following
        return self.strongest()

    def refute(self, start: float) -> None:
        """What is left of the time, too short to confirm anything: a load that is not held shows within a few requests.

        The least load again where it failed in screening; where no load was tried, the least one or, of rates, `start`.
        """
        left_ns = self.clock.left()
        tried = [trial for trial in self.trials if trial.load is not None]
        least = [trial for trial in tried if (trial.load or 0.0) <= self.least]
        if left_ns <= 0 or (tried and not any(trial.failed_by for trial in least)):
            return
        if least and least[-1].purpose == "confirm":
            return
        self.try_load(start if not tried and not self.search.whole else self.least, left_ns, "confirm")

    def strongest(self) -> Trial | None:
        """Of the confirmations below every load that failed one: the highest percentile, of these the largest load."""
        confirming = [trial for trial in self.trials if trial.purpose == "confirm"]
        refuted = min((trial.load or 0.0 for trial in confirming if trial.failed_by), default=math.inf)
        standing = [trial for trial in confirming if trial.passed and (trial.load or 0.0) < refuted]
        return max(standing, key=lambda trial: (trial.percent or 0.0, trial.load or 0.0), default=None)

    def following(self, best: Trial | None, limit: float, upwards: bool) -> float | None:
        """The next load to confirm, below the smallest that was not (`limit`); None where there is none."""
        if best is None:
            if limit <= self.least:
                return None
            confirming = [trial for trial in self.trials if trial.purpose == "confirm"]
            steps = 2 ** (len({trial.load for trial in confirming}) - 1)
            if self.search.whole:
                return self.below(limit, steps)
            return self.snapped(min([self.below(limit, steps), *map(self.held_rate, confirming)]))
        held = best.load or 0.0
        if limit == math.inf:
            if not upwards:
                return None
            # Up to where screening failed, and that load itself; beyond it nothing is known.
            screened = [t.load for t in self.trials if t.failed_by is not None and t.load is not None and t.load > held]
            if not screened:
                return None
            lowest = min(screened)
            return lowest if self.neighbours(held, lowest) else self.between(held, lowest)
        if self.neighbours(held, limit):
            return None
        middle = self.between(held, limit)
        return middle if held < middle < limit else None


def find(
    search: Search, target: Target, held: Limits, attempt: Attempt, now: Callable[[], int] = time.perf_counter_ns
) -> Capacity:
    """The capacity that `attempt` shows for `held`, one of the target's. `now` is a clock in ns."""
    finding = _Finding(search, target, held, attempt, now)
    finding.saturate()
    best: Trial | None = None
    if finding.sustained > 0 or search.whole:
        start = finding.snapped(search.known) if search.known is not None else finding.unscreened()
        if start is None:
            start = finding.screen(finding.first_load(finding.trials[0]))
        best = finding.confirm(start, upwards=search.known is None)
        if best is None:
            finding.refute(start)
    return answered(
        search,
        finding.trials,
        best,
        held,
        needed=finding.needed,
        sustained=finding.sustained,
        least=finding.least,
        likely=finding.sustained * CAUTIOUS,
    )
