"""When trainings turn, on the clock of weight decay: rate·t against the logarithm of the size they started at."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.dataset import Dataset

from sweepjax import plugins
from sweepjax.columns import INDEX
from sweepjax.reducers._crossings import STOPPED, carried, crossings, flags, stopped
from sweepjax.reducers._intervals import kaplan_meier_median
from sweepjax.reducers._stream import Piece, State, checked, fold

CROSSINGS = ("first", "last")


@dataclass(frozen=True)
class SwitchTime:
    """The time at which `column` rises to a threshold, or falls to it, and rate·time - log(start): one line a group.

    Parameters of norm `start` that decay at `rate` are small at rate·time = log(start): a training that turns there
    has a `shift` that depends on the draw alone. `time` is the Kaplan-Meier median with its 95 % interval, `shift`
    the mean over the rows that crossed, and `shift_sd` what draws differ by. Rows that did not cross are `censored`;
    those that are nan or NULL are `left_out`.

    Where a draw was trained from several starts, the table's `attrs` hold what it says of the law: `slope` of
    rate·time against log(start) in each draw, its mean and standard error over `slope_draws`, and `shift_spread`,
    the most by which the shift of one draw differs between starts.

    Between two recorded times the column is linear in log t.
    """

    column: str = "test_accuracy"  # that crosses
    threshold: float = 0.95  # at which it does
    share_of: str = ""  # a column with one number a row, of which the threshold is a share; empty: of 1
    falling: bool = False  # whether it falls to the threshold
    crossing: str = "first"  # or "last"
    rate: str = "l2"  # the field of the decay
    start: str = "alpha"  # the field of the norm at the start
    each: bool = False  # a line a row, not a group
    by: str = ""  # separated by commas; empty: every configured field that varies

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, counts, time and shift; with `each` keys, seed, realization, time, censored, shift."""
        if self.crossing not in CROSSINGS:
            raise ValueError(plugins.unknown("crossing", self.crossing, list(CROSSINGS)))
        index = [name for name in INDEX if name in rows.schema.names]
        facts = [self.rate, self.start, *([self.share_of] if self.share_of else [])]
        single = [*index, *checked(rows, facts), *flags(rows)]
        groups, states = fold(rows, self.by, single, partial(self._found, index), [self.column, "time"])
        keys = groups.to_dict("records")
        found = [{name: np.concatenate(state[name]) for name in state} for state in states]
        every = pd.concat([pd.DataFrame(key | rows) for key, rows in zip(keys, found, strict=True)], ignore_index=True)
        if self.each:
            return every.filter([*groups, *index, "time", "censored", "shift"])
        table = pd.DataFrame(key | _line(rows) for key, rows in zip(keys, found, strict=True))
        table.attrs.update(_law(every, [*(name for name in groups if name != self.start), *index]))
        return table

    def _found(self, index: list[str], piece: Piece) -> State:
        curves, null = carried(piece, [self.column, "time"])
        level = self.threshold * (piece[self.share_of].filled(np.nan) if self.share_of else np.ones(null.size))
        height = (curves[self.column] - level[:, None]) * (-1 if self.falling else 1)
        left_out = null | ~np.isfinite(height).all(axis=1)
        crossed = crossings(curves["time"], [height], last=self.crossing == "last")
        rate, start = (piece[name].filled(np.nan) for name in (self.rate, self.start))
        found = {name: piece[name].data for name in index} | stopped(piece)
        found |= {"left_out": left_out, "censored": crossed.censored & ~left_out}
        found |= {
            "time": np.where(left_out, np.nan, crossed.time),
            "scale": np.log(start),
            "decay": rate * crossed.time,
        }
        found["shift"] = np.where(left_out | crossed.censored, np.nan, found["decay"] - found["scale"])
        return {name: [values] for name, values in found.items()}  # lists of parts, which add


def _line(rows: dict[str, NDArray]) -> State:
    kept, censored = ~rows["left_out"], rows["censored"]
    shift = rows["shift"][~np.isnan(rows["shift"])]
    line = {"rows": kept.size, "left_out": int((~kept).sum()), "crossed": shift.size, "censored": int(censored.sum())}
    line |= {STOPPED: int(rows[STOPPED].sum())} if STOPPED in rows else {}
    times = kaplan_meier_median(rows["time"][kept], censored[kept])
    line |= dict(zip(("time", "time_low", "time_high"), times, strict=True))
    sd = float(shift.std(ddof=1)) if shift.size > 1 else np.nan
    mean = float(shift.mean()) if shift.size else np.nan
    return line | {"shift": mean, "shift_se": sd / np.sqrt(max(shift.size, 1)), "shift_sd": sd}


def _law(rows: pd.DataFrame, draw: list[str]) -> State:
    """Return what draws that were trained from several starts say of rate·time = log(start) + shift."""
    several = []
    for _, same in rows.dropna(subset=["shift"]).groupby(draw, dropna=False):
        scale, decay = (same[name].to_numpy(np.float64) for name in ("scale", "decay"))
        if np.ptp(scale) > 0:
            several.append((np.polyfit(scale, decay, 1)[0], np.ptp(decay - scale)))
    if not several:
        return {}
    slopes, spreads = np.array(several).T
    se = float(slopes.std(ddof=1) / np.sqrt(slopes.size)) if slopes.size > 1 else np.nan
    return {
        "slope": float(slopes.mean()),
        "slope_se": se,
        "slope_draws": slopes.size,
        "shift_spread": float(spreads.max()),
    }
