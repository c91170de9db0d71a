"""When training and population accuracy, or loss, cross a threshold, and the delay between the two."""

from dataclasses import dataclass
from functools import partial
from math import isnan, nan
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.dataset import Dataset
from scipy.stats import linregress

from sweepjax import plugins
from sweepjax.columns import INDEX, curves
from sweepjax.reducers._crossings import STOPPED, Truth, carried, check_threshold, crossings, flags, stopped
from sweepjax.reducers._intervals import kaplan_meier_median
from sweepjax.reducers._stream import Piece, State, fold

THRESHOLDS = {"accuracy": 0.95, "loss": 0.1}
SIDES = ("train", "test")
EACH = (*(f"t_{side}" for side in SIDES), *(f"censored_{side}" for side in SIDES), "delay", "ratio")
CHOICES = {"quantity": tuple(THRESHOLDS), "crossing": ("last", "first"), "clock": ("time", "step")}
Array = NDArray[np.float64]
Rows = dict[str, NDArray]


@dataclass(frozen=True)
class GrokkingTime:
    """Crossing times of a threshold, `t_train` and `t_test`, their delay and ratio: one line a group.

    Accuracy crosses upwards and loss downwards: for the last time, after which the record stays beyond the
    threshold, or for the first. A row that ends short of it, or never gets there, is censored: its time is
    at least the last recorded one. So is the time of a row that --stop ended short of it, which is counted apart:
    such a row chose its own end, so let --stop wait for what is to be timed.

    A loss beyond every number has not crossed; whether it is a number is judged by its logarithm. Only rows that
    are nan (the training diverged) or NULL are `left_out`, and counted. Rows that do not cross in training have
    no delay and no ratio.

    Between two recorded times the quantity is taken as linear in log t (in t, from t = 0 to the next);
    log_test_error, log_train_loss and log_test_loss take its place where they are columns and finite.
    `half_width_train` and `half_width_test` say how coarse that is: half the recorded interval in log10 t,
    the median over the crossed rows and, as `…_max`, the largest; infinite for a crossing before the first
    positive time, 0 at t = 0.

    Times, delay and ratio are Kaplan-Meier medians with 95 % intervals: the smallest value at which the
    survival curve, or its log-log band, is at most 1/2; nan, and inf for the upper end, where that is
    never. Delay t_test - t_train and ratio t_test/t_train are of the rows that crossed in training, and
    censored where the test is, as if that told nothing of t_train; the ratio to a t_train of 0 is beyond
    every number (1 if t_test is 0 too).

    The table's `attrs` hold the least-squares slope of `sqrt_log_ratio`, √log ratio, against log(1 - 2λ) over
    all groups with λ < 1/2 in which it is finite, if three are: slope, slope_se, slope_points; and in how many it is
    not, slope_left_out.
    Memory grows with the rows, by some hundred bytes each.

    Source:
        Kaplan, Meier (1958), J. Am. Stat. Assoc. 53, 457; slope -1/√2 of the two-point model:
        Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489.
    """

    quantity: str = "accuracy"  # or "loss"
    threshold: float = nan  # above 0 and below 1; not given: 0.95 of an accuracy, 0.1 of a loss
    crossing: str = "last"  # or "first"
    clock: str = "time"  # or "step"
    each: bool = False  # a line a row, not a group
    by: str = ""  # separated by commas; empty: every configured field that varies
    glance: ClassVar[dict[str, str]] = {"censored_test": "censored on fresh data"}

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, counts, t_train, t_test, delay, ratio, sqrt_log_ratio with their intervals, half-widths.

        With `each`: keys, seed, realization, t_train, t_test, censored_train, censored_test, delay, ratio. A
        delay and a ratio are lower bounds where the test is censored, and nan where the training is.
        """
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(plugins.unknown(name, getattr(self, name), list(choices)))
        level = THRESHOLDS[self.quantity] if isnan(self.threshold) else self.threshold
        check_threshold(level)
        index = [name for name in INDEX if self.each and name in rows.schema.names]
        single = [*index, *flags(rows)]
        needed = [self.clock, *(f"{side}_{self.quantity}" for side in SIDES)]
        logarithms = [name for name in map(self._logarithm, SIDES) if name in curves(rows)]
        groups, states = fold(rows, self.by, single, partial(self._found, needed, level), [*needed, *logarithms])
        found = [_with_delays({name: np.concatenate(state[name]) for name in state}) for state in states]
        pairs = zip(groups.to_dict("records"), found, strict=True)
        if self.each:
            return pd.concat([_each(key, rows, index) for key, rows in pairs], ignore_index=True)
        table = pd.DataFrame(key | _line(rows) for key, rows in pairs)
        table.attrs.update(_slope(table))
        return table

    def _logarithm(self, side: str) -> str:
        return f"log_{side}_{'error' if self.quantity == 'accuracy' else 'loss'}"

    def _found(self, needed: list[str], level: float, piece: Piece) -> State:
        logarithms = [name for name in map(self._logarithm, SIDES) if name in piece]
        curves, null = carried(piece, [*needed, *logarithms])
        diverged = self._diverged(curves) & ~null
        found = {"null": null, "nan": diverged} | stopped(piece)
        found |= {name: piece[name].data for name in INDEX if name in piece}
        times, whole = curves[self.clock], ~(null | diverged)
        for side in SIDES:
            crossed = crossings(times, self._heights(curves, side, level), last=self.crossing == "last")
            found[f"t_{side}"] = np.where(whole, crossed.time, nan)
            found[f"censored_{side}"] = whole & crossed.censored
            found[f"half_width_{side}"] = np.where(whole, crossed.half_width, nan)
        return {name: [values] for name, values in found.items()}  # lists of parts, which add

    def _diverged(self, curves: dict[str, Array]) -> Truth:
        """Return which rows are not numbers: of a loss, which may be beyond every number, as its logarithm says."""
        names = [f"{side}_{self.quantity}" for side in SIDES]
        sound = [np.isfinite(curves[self.clock])]
        for name in names:
            if self.quantity == "accuracy":
                sound.append(np.isfinite(curves[name]))
            elif f"log_{name}" in curves:
                sound.append(curves[f"log_{name}"] < np.inf)
            else:
                sound.append(~np.isnan(curves[name]))
        return ~np.all(sound, axis=(0, 2))

    def _heights(self, curves: dict[str, Array], side: str, level: float) -> list[Array]:
        """Return the quantity beyond its threshold and, where there is one, its logarithm."""
        rising, log = self.quantity == "accuracy", self._logarithm(side)
        values = curves[f"{side}_{self.quantity}"]
        height = values - level if rising else level - values
        if log not in curves:
            return [height]
        log_height = (np.log1p(-level) if rising else np.log(level)) - curves[log]
        return [np.where(np.isfinite(values), height, log_height), log_height]


def _with_delays(found: Rows) -> Rows:
    train, test, known = found["t_train"], found["t_test"], ~found["censored_train"]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(train == test, 1.0, test / train)
    return found | {"delay": np.where(known, test - train, nan), "ratio": np.where(known, ratio, nan)}


def _each(key: dict, found: Rows, index: list[str]) -> pd.DataFrame:
    numbered = {name: found[name].astype(np.int64) for name in index}
    every = [*EACH, STOPPED] if STOPPED in found else EACH
    lines = pd.DataFrame(key | numbered | {name: found[name] for name in every})
    return lines.sort_values([*index, *EACH])


def _line(found: Rows) -> dict[str, float]:
    whole = ~(found["null"] | found["nan"])
    line = {"rows": whole.size} | {name: int(found[name].sum()) for name in ("null", "nan")}
    for side in SIDES:
        short = found[f"censored_{side}"]
        ended = short & found.get(STOPPED, False)
        line |= {f"crossed_{side}": int(whole.sum() - short.sum()), f"censored_{side}": int((short & ~ended).sum())}
        line |= {f"stopped_{side}": int(ended.sum())} if STOPPED in found else {}
    line |= {"left_out": int((~whole).sum())}
    line |= _median("t_train", found, found["censored_train"], whole)
    for name in ("t_test", "delay", "ratio"):
        line |= _median(name, found, found["censored_test"], whole & ~np.isnan(found[name]))
    line |= _sqrt_log(line["ratio"], line["ratio_low"], line["ratio_high"])
    for side in SIDES:
        width = found[f"half_width_{side}"]
        width = width[~np.isnan(width)]
        middle, largest = (float(np.median(width)), float(width.max())) if width.size else (nan, nan)
        line |= {f"half_width_{side}": middle, f"half_width_{side}_max": largest}
    return line


def _median(name: str, found: Rows, censored: Truth, where: Truth) -> dict[str, float]:
    values = kaplan_meier_median(found[name][where], censored[where])
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def _sqrt_log(ratio: float, low: float, high: float) -> dict[str, float]:
    if not ratio >= 1:
        return {"sqrt_log_ratio": nan, "sqrt_log_ratio_low": nan, "sqrt_log_ratio_high": nan}
    middle, low, high = np.sqrt(np.log([ratio, max(low, 1.0), high]))
    return {"sqrt_log_ratio": middle, "sqrt_log_ratio_low": low, "sqrt_log_ratio_high": high}


def _slope(table: pd.DataFrame) -> dict[str, float]:
    if "lam" not in table:
        return {}
    lam, height = (table[name].to_numpy(np.float64) for name in ("lam", "sqrt_log_ratio"))
    points, left_out = (lam < 0.5) & np.isfinite(height), (lam < 0.5) & ~np.isfinite(height)
    if points.sum() < 3 or np.ptp(lam[points]) == 0:
        return {}
    fit = linregress(np.log1p(-2 * lam[points]), height[points])
    counts = {"slope_points": int(points.sum()), "slope_left_out": int(left_out.sum())}
    return {"slope": float(fit.slope), "slope_se": float(fit.stderr)} | counts  # pyright: ignore
