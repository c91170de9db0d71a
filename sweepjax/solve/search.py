"""Where a mean crosses a value: draws are put where they tell most, in whole rounds.

Each round is chosen from the draws of earlier rounds only, so that running again repeats it. A few draws at some points
find the crossing roughly, and a window around it in which the mean changes by a part of its range. Most others go next
to the crossing, some to the ends of the window, which tell the slope. The mean is fitted in the window by a parabola,
weighted by the draws.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from sweepjax.solve.fit import PILOT, Crossing, Sample, crossed, crossing, errors

PILOTS = 10  # such points at most
LEVEL = 0.25  # of the range of the mean, from the value to either end of the window
FLANK = 0.15  # of the draws, at each end of the window
GROWTH = 4.0  # a round adds at most so many times the draws of the window
MOST_AT_ENDS = 4096  # draws that are to show on which side of the value a mean is
ADJUSTMENTS = 6  # of the window at most


class Unsolved(Exception):  # noqa: N818  named for what happened
    """The draws show that there is nothing to find; the text says why."""


class Goal(NamedTuple):
    """What is looked for: where the mean is `value` between two points, to a standard error of the crossing."""

    value: float
    low: float
    high: float
    se: float
    snapped: Callable[[float], float] = float  # the nearest point that there is


Wanted = dict[float, int]  # the draws in all at each point, where more are wanted


class Search:
    """The rounds of one search."""

    def __init__(self, goal: Goal) -> None:
        self.goal, self.seen = goal, dict[float, Sample]()
        self.low, self.high = goal.snapped(goal.low), goal.snapped(goal.high)
        self.window: tuple[float, float] | None = None
        self.adjusted = 0

    def take(self, samples: Mapping[float, Sample]) -> None:
        """Take note of the draws of a round."""
        self.seen |= samples

    def wanted(self) -> Wanted:
        """Return how many draws each point is to have after the next round; nothing where the goal is reached.

        Raises:
            Unsolved: the mean does not cross the value between the two points, or does so at one of them.
        """
        if not {self.low, self.high} <= self.seen.keys():
            return dict.fromkeys((self.low, self.high), PILOT)
        if unclear := [x for x in self._unclear() if self.seen[x].draws < MOST_AT_ENDS]:
            return {x: 4 * self.seen[x].draws for x in unclear}
        self._check()
        if self.window is None:
            pilot = self._pilot()
            if pilot is not None:
                return {pilot: self._few()}
            self.window = self._around()
        while True:
            first = self._lacking(dict.fromkeys(self.window, 4 * self._few()))
            if first or not self._adjusts():
                break
        if not (first or self._between() >= 4 * self._few()):
            first = dict.fromkeys(self._beside(), 4 * self._few())
        return self._lacking(first) or ({} if self.crossing.se <= self.goal.se else self._allotted())

    @property
    def crossing(self) -> Crossing:
        """Where the mean crosses the value, by the draws in the window."""
        low, high = self.window or (self.low, self.high)
        inside = {x: sample for x, sample in self.seen.items() if low <= x <= high}
        return crossing(self.goal.value, (low, high), inside, self.reach)

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of the crossing at 95 %, as far as it lies between the two ends."""
        return self.crossing.interval(self.low, self.high)

    @property
    def reach(self) -> float:
        """How far apart the means at the two ends are."""
        return abs(self.seen[self.high].mean - self.seen[self.low].mean)

    def _few(self) -> int:
        """Return the draws that show the mean at a point to a third of what it changes in the window, or better."""
        level = min(self._levels(self._rising()[1]))
        variance = max(sample.variance for sample in self.seen.values())
        return min(max(PILOT, math.ceil(9 * variance / level**2)), MOST_AT_ENDS)

    def _unclear(self) -> list[float]:
        """Return the ends at which the draws do not show on which side of the value the mean is."""
        return [x for x in (self.low, self.high) if abs(self.seen[x].mean - self.goal.value) < 3 * self._error(x)]

    def _error(self, x: float) -> float:
        return float(errors([self.seen[x]], self.reach)[0])

    @property
    def ends(self) -> str:
        """What the draws say of the two ends."""
        return " and ".join(f"{self.seen[x].mean:.4g} ± {self._error(x):.2g} at {x:.6g}" for x in (self.low, self.high))

    def _check(self) -> None:
        value = f"{self.goal.value:g}"
        if unclear := self._unclear():
            at = " and ".join(f"{x:.6g}" for x in unclear)
            raise Unsolved(f"the mean is {self.ends}; it may cross {value} at {at} itself, so give ends farther apart")
        low, high = (self.seen[x].mean - self.goal.value for x in (self.low, self.high))
        if low * high >= 0:
            raise Unsolved(f"the mean is {self.ends}, and does not cross {value} between them; give other ends")

    def _rising(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the points and their means from the value on, turned and pooled so that they rise."""
        x = np.array(sorted(self.seen))
        sign = np.sign(self.seen[self.high].mean - self.seen[self.low].mean)
        blocks: list[tuple[float, float, int]] = []
        for point in x:
            sample = self.seen[point]
            blocks.append((float(sign * (sample.mean - self.goal.value)), float(sample.draws), 1))
            while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
                (a, m, i), (b, k, j) = blocks[-2:]
                blocks[-2:] = [((a * m + b * k) / (m + k), m + k, i + j)]
        return x, np.repeat([mean for mean, _, _ in blocks], [size for _, _, size in blocks])

    def _levels(self, means: np.ndarray) -> tuple[float, float]:
        """Return how far the mean is to be from the value at the ends of the window."""
        return tuple(min(LEVEL * self.reach, 0.5 * abs(float(means[end]))) for end in (0, -1))  # type: ignore[return-value]

    def _pilot(self) -> float | None:
        """Return the next point that is only to show the way; None where it is seen well enough."""
        x, means = self._rising()
        i = int(np.flatnonzero(means <= 0)[-1])
        levels = self._levels(means)
        if len(x) >= PILOTS or (-means[i] <= 1.2 * levels[0] and means[i + 1] <= 1.2 * levels[1]):
            return None
        share = min(max(-means[i] / (means[i + 1] - means[i]), 0.25), 0.75)
        new = self.goal.snapped(float(x[i] + share * (x[i + 1] - x[i])))
        return None if new in self.seen else new

    def _around(self) -> tuple[float, float]:
        """Return the window: where the mean has changed enough, at least a point away on both sides."""
        x, means = self._rising()
        below, above = self._levels(means)
        middle = crossed(0.0, x, means)
        ends = (crossed(level, x, means) for level in (-below, above))
        low, high = (self.goal.snapped(end) for end in ends)
        near = self.goal.snapped(middle)
        return min(low, self._step(near, -1.0)), max(high, self._step(near, 1.0))

    def _adjusts(self) -> bool:
        """Move the ends of the window that turn out to be too near to the crossing, or too far."""
        assert self.window
        _, means = self._rising()
        sign = np.sign(self.seen[self.high].mean - self.seen[self.low].mean)
        known, ends = errors([self.seen[x] for x in self.window], self.reach), list(self.window)
        middle = min(max(self.crossing.x, self.window[0]), self.window[1])
        levels = self._levels(means)
        for i, (x, side) in enumerate(zip(self.window, (-1.0, 1.0), strict=True)):
            rise = side * sign * (self.seen[x].mean - self.goal.value)
            if rise + 2 * known[i] < 0.4 * levels[i] and x not in (self.low, self.high):
                further = x + side * 0.5 * (self.window[1] - self.window[0])
                ends[i] = self.goal.snapped(min(max(further, self.low), self.high))
            elif rise - 2 * known[i] > 1.6 * levels[i]:
                closer = self.goal.snapped(0.5 * (x + middle))
                ends[i] = closer if abs(closer - middle) > 0.2 * abs(x - middle) else x
        new = (ends[0], ends[1])
        if new == self.window or self.adjusted >= ADJUSTMENTS or ends[0] >= ends[1]:
            return False
        self.window, self.adjusted = new, self.adjusted + 1
        return True

    def _allotted(self) -> Wanted:
        """Return the draws after a round that is to reach the goal, if it does not grow too much."""
        assert self.window
        inside = sum(sample.draws for x, sample in self.seen.items() if self.window[0] <= x <= self.window[1])
        total = inside * min(GROWTH, max(1.2, 1.1 * (self.crossing.se / self.goal.se) ** 2))
        wanted = {x: max(self.seen[x].draws, math.ceil(FLANK * total)) for x in self.window}
        more = total - inside - sum(count - self.seen[x].draws for x, count in wanted.items())
        for x, share in self._beside().items():
            held = self.seen[x].draws if x in self.seen else 0
            wanted[x] = max(wanted.get(x, 0), held + math.ceil(share * max(more, PILOT)))
        return self._lacking(wanted)

    def _between(self) -> int:
        assert self.window
        return sum(sample.draws for x, sample in self.seen.items() if self.window[0] < x < self.window[1])

    def _lacking(self, wanted: Wanted) -> Wanted:
        return {x: count for x, count in wanted.items() if x not in self.seen or self.seen[x].draws < count}

    def _beside(self) -> dict[float, float]:
        """Return the points next to the crossing, with shares of draws whose mean is the crossing itself."""
        assert self.window
        low, high = self.window
        x = self.crossing.x if {low, high} <= self.seen.keys() else crossed(0.0, *self._rising())
        x = min(max(x, low), high)
        near = self.goal.snapped(x)
        other = self._step(near, 1.0 if x > near else -1.0)
        share = (x - near) / (other - near) if other != near else 0.0
        return {near: 1.0 - share, other: share} if share > 0.1 else {near: 1.0}

    def _step(self, x: float, side: float) -> float:
        """Return the next point that there is on one side of a point, not beyond the ends."""
        for power in range(14, 0, -1):
            new = self.goal.snapped(x + side * (self.high - self.low) * 2.0**-power)
            if new != x:
                return min(max(new, self.low), self.high)
        return x
