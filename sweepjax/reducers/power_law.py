"""How a time grows as a field falls: t = a r^(-γ) + b, with intervals."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.dataset import Dataset
from scipy.optimize import least_squares

from sweepjax.columns import INDEX, configured
from sweepjax.reducers._intervals import kaplan_meier_median
from sweepjax.reducers._stream import POINT, Piece, State, checked, fold, split

Array = NDArray[np.float64]
NAMES = ("gamma", "a", "b")
FEWEST, FEWEST_DRAWS = 4, 20  # points of a fit, resampled sets


@dataclass(frozen=True)
class PowerLaw:
    """The exponent γ of t = a r^(-γ) + b, where t is the median of `column` at each r `along` a field; a line a group.

    A row in which `column` is NULL never got there: its time is beyond every number. One that is nan is `left_out`.
    Points whose median is beyond every number are censored: they are left out of the fit and counted, and so are points
    whose time is 0. b is not negative. The fit is least squares of log t over the points; intervals are at 95 %, of the
    bootstrap over the rows of each point, and unbounded where more than one in forty resampled sets has too few finite
    medians. They do not tell whether the law holds: `residual` does, which is the root mean square of the fit in log t.

    Source:
        Notsawo, Zhou, Pezeshki, Rish, Dumas (2023), arXiv 2306.13253, where r is in percent.
    """

    column: str = "t_test_99"  # of times
    along: str = "fraction"  # the field r
    offset: bool = True  # false: b = 0
    by: str = ""  # separated by commas; empty: every other configured field that varies
    draws: int = 200  # resampled sets of rows
    resampling_seed: int = 0  # of the bootstrap

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, gamma, a and b with their low and high, residual, counts of points and of rows."""
        if not FEWEST_DRAWS <= self.draws <= 10_000:
            raise ValueError(f"draws = {self.draws} is not allowed; give a number from {FEWEST_DRAWS} to 10000")
        fields = [name for name in configured(rows) if name not in INDEX]
        if self.along not in fields:
            raise ValueError(f"{self.along!r} is no field of these rows; choose one of: {', '.join(fields)}")
        checked(rows, [self.column])
        keys = split(self.by)
        by = ",".join([*keys, self.along]) if keys else ""
        groups, states = fold(rows, by, [self.column, self.along], self._listed)
        keys = keys or _others(groups, self.along)
        every = groups[keys].assign(_at=[state["at"][0][0] for state in states])
        every["_times"] = [np.concatenate(state["times"]) for state in states]
        lines = [key | self._line(group) for key, group in _grouped(every, keys)]
        return pd.DataFrame(lines)

    def _listed(self, piece: Piece) -> State:
        return {"at": [piece[self.along].data], "times": [piece[self.column].filled(np.inf)]}

    def _line(self, group: pd.DataFrame) -> dict[str, float]:
        group = group.sort_values("_at")
        every, at = list(group["_times"]), group["_at"].to_numpy(np.float64)
        times = [each[~np.isnan(each)] for each in every]
        found = self._fitted(at, _medians(times))
        low, high = self._interval(at, times)
        line = {}
        for k, name in enumerate(NAMES):
            line |= {name: found[k], f"{name}_low": float(low[k]), f"{name}_high": float(high[k])}
        used = _usable(_medians(times))
        counts = {"points": int(used.sum()), "points_censored": int((~used).sum())}
        null = sum(int(np.isinf(each).sum()) for each in times)
        rows = {
            "rows": sum(map(len, every)),
            "rows_null": null,
            "left_out": sum(map(len, every)) - sum(map(len, times)),
        }
        return line | {"residual": found[3]} | counts | rows

    def _interval(self, at: Array, times: list[Array]) -> tuple[Array, Array]:
        """Return the ends of the intervals of γ, a and b, from sets of rows drawn with replacement."""
        rng = np.random.default_rng(self.resampling_seed)
        whole = [each for each in times if each.size]
        at = at[[each.size > 0 for each in times]]
        drawn = [_medians([rng.choice(each, each.size) for each in whole]) for _ in range(self.draws)]
        enough = [each for each in drawn if _usable(each).sum() >= FEWEST]
        if len(enough) < len(drawn) * (1 - 1 / 40):
            return np.full(3, -np.inf), np.full(3, np.inf)
        low, high = np.nanpercentile([self._fitted(at, each)[:3] for each in enough], [2.5, 97.5], axis=0)
        return low, high

    def _fitted(self, at: Array, medians: Array) -> tuple[float, float, float, float]:
        """Return γ, a, b and the residual."""
        used = _usable(medians)
        if used.sum() < FEWEST:
            what = f"only {used.sum()} values of {self.along} have a finite median of {self.column}"
            raise ValueError(f"{what}, and a power law with its exponent, scale and offset needs {FEWEST}; run more")
        if at[used].min() <= 0:
            raise ValueError(f"{self.along} is {at[used].min():g} in some rows; a power of it needs numbers above 0")
        log_r, log_t = np.log(at[used]), np.log(medians[used])
        center, middle = log_r.mean(), log_t.mean()

        def fit(theta: Array) -> Array:
            power = middle + theta[1] - theta[0] * (log_r - center)
            return np.logaddexp(power, theta[2]) if self.offset else power

        slope = max(-np.polyfit(log_r, log_t, 1)[0], 0.1)
        start = np.array([slope, 0.0, log_t.min() - 1.0])
        best = least_squares(lambda theta: fit(theta) - log_t, start, bounds=([-50, -50, -30], [50, 50, 50]))
        gamma, scale, offset = best.x
        with np.errstate(over="ignore"):
            a = float(np.exp(middle + scale + gamma * center))
        residual = float(np.sqrt(np.mean(best.fun**2)))
        return float(gamma), a, float(np.exp(offset)) if self.offset else 0.0, residual


def _others(groups: pd.DataFrame, along: str) -> list[str]:
    """List the fields that vary besides one; of λ, n and d those that do not follow from it and the others."""
    keys = [str(name) for name in groups if name not in (along, *POINT)]
    for name in (name for name in POINT if name in groups and name != along):
        before = [along, *keys] if along in groups else keys
        if len(groups.drop_duplicates([*before, name])) > (len(groups.drop_duplicates(before)) if before else 1):
            keys.append(name)
    return keys


def _medians(times: list[Array]) -> Array:
    return np.array([kaplan_meier_median(each, np.isinf(each))[0] for each in times])


def _usable(medians: Array) -> NDArray[np.bool_]:
    return np.isfinite(medians) & (medians > 0)


def _grouped(table: pd.DataFrame, keys: list[str]) -> Iterator[tuple[dict, pd.DataFrame]]:
    if not keys:
        yield {}, table
        return
    for key, group in table.groupby(keys, sort=True, dropna=False):
        yield dict(zip(keys, key, strict=True)), group  # pyright: ignore
