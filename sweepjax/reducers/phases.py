"""The phases of a training: confusion, memorisation, and comprehension, between four times."""

from dataclasses import dataclass
from functools import partial
from math import isnan, nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.dataset import Dataset

from sweepjax.columns import CLOCKS, curves
from sweepjax.reducers._crossings import STOPPED, carried, check_threshold, crossings, flags, stopped
from sweepjax.reducers._intervals import kaplan_meier_median
from sweepjax.reducers._stream import Piece, State, fold

SIDES = ("train", "test")
CHANCES = 3.0  # times the accuracy of a guess that are no chance
TIMES = ("t1", "t2", "t3", "t4")  # begins to train, is trained, begins to generalise, generalises
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Phases:
    """When trainings begin to be right (t1 in training, t3 on fresh samples) and are right (t2, t4): a line a group.

    Each is the first recorded time with an accuracy of `low` or `high`, and `sustained_…` the one after which it stays
    there. Where rows have columns of first crossings at `high`, such as `t_test_99`, which are of looks 1 % of the time
    apart, the first times are these, or a recorded time that comes before. Confusion lasts to t1, memorisation from t2
    to t3, comprehension from t3 on; a training groks if t4 is much later than t2.

    Times are Kaplan-Meier medians with 95 % intervals. A row that never gets there is censored at its last recorded
    time, where `--stop` ended it or the record does; rows that are nan or NULL are `left_out`. `memorised` rows are
    right in training and not on fresh samples at the end, `grokked` ones have t4 of at least 10 t2 that is not 0.
    """

    high: float = 0.99  # the accuracy that is right
    low: float = nan  # not given: three guesses among `p` results, or 0.6 where rows have no p
    clock: str = "step"  # or "time"
    by: str = ""  # separated by commas; empty: every configured field that varies

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, counts, then each time with its low and high and how many rows it is censored in."""
        groups, every = self.times(rows)
        pairs = zip(groups.to_dict("records"), every, strict=True)
        return pd.DataFrame([key | _line(found) for key, found in pairs])

    def times(self, rows: Dataset) -> tuple[pd.DataFrame, list[dict[str, NDArray]]]:
        """Return the groups, and of each the times of every row, infinite where they never come."""
        check_threshold(self.high, "high")
        if self.clock not in CLOCKS:
            raise ValueError(f"clock = {self.clock!r} is not allowed; choose one of: {', '.join(CLOCKS)}")
        named = [f"t_{side}_{100 * self.high:g}" for side in SIDES]
        exact = [name for name in named if name in rows.schema.names and self.clock == "step"]
        guesses = ["p"] if isnan(self.low) and "p" in rows.schema.names else []
        clock = self.clock if self.clock in curves(rows) else "time"
        needed = [clock, *(f"{side}_accuracy" for side in SIDES)]
        single = [*exact, *guesses, *flags(rows)]
        groups, states = fold(rows, self.by, single, partial(self._found, needed, exact), needed)
        return groups, [{name: np.concatenate(state[name]) for name in state} for state in states]

    def _found(self, needed: list[str], exact: list[str], piece: Piece) -> State:
        recorded, null = carried(piece, needed)
        times, count = recorded[needed[0]], len(null)
        low = np.full(count, 0.6 if isnan(self.low) else self.low)
        if "p" in piece:
            low = np.minimum(CHANCES / piece["p"].filled(np.nan), self.high)
        bad = ~np.all([np.isfinite(recorded[name]).all(axis=1) for name in needed], axis=0) & ~null
        found = {"null": null, "nan": bad, "end": times[:, -1]} | stopped(piece)
        for k, side in enumerate(SIDES):
            values = recorded[f"{side}_accuracy"]
            for name, level in ((TIMES[2 * k], low), (TIMES[2 * k + 1], np.full(count, self.high))):
                for word, last in (("", False), ("sustained_", True)):
                    crossed = _recorded(times, values >= level[:, None], last=last)
                    found[word + name] = np.where(null | bad, nan, crossed)
            name = f"t_{side}_{100 * self.high:g}"
            if name in exact:
                # In rows of which only the looks between recorded times counted, a recorded time may come before.
                first, right = piece[name].filled(np.inf), TIMES[2 * k + 1]
                found[right] = np.where(null | bad, nan, np.minimum(first, found[right]))
            # An accuracy passes the lower threshold first, however far apart the recorded times are.
            found[TIMES[2 * k]] = np.minimum(found[TIMES[2 * k]], found[TIMES[2 * k + 1]])
        found["memorised"] = (recorded["train_accuracy"][:, -1] >= self.high) & (
            recorded["test_accuracy"][:, -1] < self.high
        )
        return {name: [values] for name, values in found.items()}


def _recorded(times: Array, beyond: NDArray[np.bool_], *, last: bool) -> Array:
    """Return the first recorded time beyond a threshold, or from which on it is; infinite where never."""
    crossed = crossings(times, [np.where(beyond, 0.0, -1.0)], last=last)
    return np.where(crossed.censored, np.inf, crossed.time)


def _line(found: dict[str, NDArray]) -> dict[str, float]:
    whole = ~(found["null"] | found["nan"])
    line: dict[str, float] = {"rows": whole.size, "kept": int(whole.sum()), "left_out": int((~whole).sum())}
    line |= {STOPPED: int(found[STOPPED].sum())} if STOPPED in found else {}
    line["memorised"] = int((found["memorised"] & whole).sum())
    with np.errstate(invalid="ignore"):
        grokked = np.isfinite(found["t4"]) & (found["t4"] > 0) & (found["t4"] >= 10 * found["t2"])
    line["grokked"] = int((grokked & whole).sum())
    for name in (*TIMES, *(f"sustained_{name}" for name in TIMES)):
        values = found[name][whole]
        never = np.isinf(values)
        ends = kaplan_meier_median(np.where(never, found["end"][whole], values), never)
        line |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True)) | {f"{name}_censored": never.sum()}
    return line
