"""How well the first steps of a training tell when it will be right: rank correlations and ROC curves."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import atanh, isnan, nan, sqrt, tanh
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.dataset import Dataset
from scipy.stats import rankdata

from sweepjax.columns import INDEX, configured, is_number
from sweepjax.reducers._early import Early, read_early
from sweepjax.reducers._intervals import NORMAL_95
from sweepjax.reducers._stream import points, split

Array = NDArray[np.float64]
FIELLER = 1.06  # times the variance of a correlation's atanh is that of a rank correlation's
POOLED, ALL = "pooled", "all of them"


class Paired(NamedTuple):
    """A signal, the time it is to foretell, whether that comes early, and which rows share what is fixed, or a draw."""

    signal: Array
    time: Array
    early: NDArray[np.bool_]
    stratum: NDArray[np.int64]
    draw: NDArray[np.int64]

    def only(self, rows: NDArray[np.bool_]) -> "Paired":
        """Return some of the rows."""
        return Paired(self.signal[rows], self.time[rows], self.early[rows], self.stratum[rows], self.draw[rows])


@dataclass(frozen=True)
class Predictor:
    """How well what is known at step `at` tells whether `target` comes before step `before`: a line a signal and scope.

    `spearman` is the rank correlation of signal and time, a time that never comes being the latest. `auc` is the
    probability that the signal of an early row is above that of a late one: 1/2 says nothing, and below it a small
    signal foretells an early time. Fields of a sweep often tell more than any signal, so that both are given pooled
    over all rows and within rows that agree in one fixed field, or in all of them: ranks and pairs within these alone.
    Intervals are at 95 %. That of `auc` is DeLong's, rows of one seed and realization counting as one, since they share
    their draws; that of `spearman`, Fisher's with Fieller's variance, takes all rows for independent.

    Rows that are there by `at` are `known`: nothing is foretold of them. Rows are `left_out` that end before `at`, that
    `--stop` ended on the way, or whose signal is nan.

    Source:
        Fieller, Hartley, Pearson (1957), Biometrika 44, 470; DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44, 837;
        Obuchowski (1997), Biometrics 53, 567, for rows that share a draw.
    """

    target: str = "t_test_99"  # the column whose time is to be foretold
    signals: str = ""  # separated by commas; empty: fields that vary, and all that is recorded
    at: float = 400.0  # curves are read at the last recorded step up to here
    before: float = nan  # not given: the last recorded step
    fixed: str = ""  # separated by commas; empty: every configured number that varies

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return signal, within, spearman and auc with their low and high, rows, early, known, left_out."""
        fields = split(self.fixed) or varying(rows)
        strange = [name for name in fields if name not in configured(rows)]
        if strange:
            raise ValueError(f"{strange[0]!r} is no field of these rows; fix some of: {', '.join(varying(rows))}")
        named = [*fields, *varying(rows), *(name for name in INDEX if name in rows.schema.names)]
        early = read_early(rows, self.target, named, split(self.signals), self.at)
        before = early.end if isnan(self.before) else self.before
        if not self.at < before <= early.end:
            what = f"before = {before:g} is not allowed at = {self.at:g} in rows recorded up to {early.end:g}"
            raise ValueError(f"{what}; give a step between these two")
        scopes = {POOLED: []} | {name: [name] for name in fields} | ({ALL: fields} if len(fields) > 1 else {})
        return pd.DataFrame(list(self._lines(early, before, scopes)))

    def _lines(self, early: Early, before: float, scopes: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
        known = early.time <= self.at
        draw = strata([early.fields[name] for name in INDEX if name in early.fields], len(known))
        for name, signal in early.signals.items():
            usable = np.isfinite(signal) & early.whole & ~known
            for within, fields in scopes.items():
                if name in fields:
                    continue
                stratum = strata([early.fields[field] for field in fields], len(signal))
                pairs = Paired(signal, early.time, early.time <= before, stratum, draw).only(usable)
                counts = {"rows": int(usable.sum()), "early": int(pairs.early.sum()), "known": int(known.sum())}
                left = {"left_out": int((~usable & ~known).sum())}
                yield {"signal": name, "within": within} | rank_correlation(pairs) | area(pairs) | counts | left


def varying(rows: Dataset) -> list[str]:
    """List the configured numbers that differ between rows."""
    every = points(rows)
    names = [name for name in configured(rows) if name not in INDEX and is_number(rows.schema, name)]
    return [name for name in names if len(set(every[name])) > 1]


def strata(fields: list[Array], count: int) -> NDArray[np.int64]:
    """Number the rows that agree in all of some fields."""
    if not fields:
        return np.zeros(count, np.int64)
    return np.unique(np.column_stack(fields), axis=0, return_inverse=True)[1].ravel()


def rank_correlation(pairs: Paired) -> dict[str, float]:
    """Return Spearman's correlation of ranks within strata, as `spearman`, and its interval."""
    one, other, lost = [], [], 0
    for places in _groups(pairs.stratum):
        ranks = (rankdata(values[places]) for values in (pairs.signal, pairs.time))
        for found, each in zip((one, other), ranks, strict=True):
            found.append((each - each.mean()) / len(places))
        lost += 1
    x, y = (np.concatenate(each) if each else np.zeros(0) for each in (one, other))
    spread, free = sqrt(float(x @ x) * float(y @ y)), len(x) - lost - 2
    if not spread or free < 1:
        return {"spearman": nan, "spearman_low": nan, "spearman_high": nan}
    value = min(max(float(x @ y) / spread, -1.0), 1.0)
    if abs(value) == 1:
        return {"spearman": value, "spearman_low": value, "spearman_high": value}
    half = NORMAL_95 * sqrt(FIELLER / free)
    return {"spearman": value, "spearman_low": tanh(atanh(value) - half), "spearman_high": tanh(atanh(value) + half)}


def area(pairs: Paired) -> dict[str, float]:
    """Return the share of pairs of an early and a late row, of one stratum each, whose early signal is the larger."""
    won, count = np.zeros(len(pairs.signal)), 0
    for places in _groups(pairs.stratum):
        signal, early = pairs.signal[places], pairs.early[places]
        first, second = signal[early], signal[~early]
        if first.size and second.size:
            won[places[early]], won[places[~early]] = _below(first, second), 1 - _below(second, first)
            count += first.size * second.size
    if not count:
        return {"auc": nan, "auc_low": nan, "auc_high": nan}
    others = _others(pairs)
    value = float(won @ (others * pairs.early)) / count
    draws = np.bincount(pairs.draw, (won - value) * others)
    free = len(set(pairs.draw[others > 0])) - 1
    half = NORMAL_95 * sqrt(float(draws @ draws) * (free + 1) / free) / count if free else nan
    return {"auc": value, "auc_low": max(value - half, 0.0), "auc_high": min(value + half, 1.0)}


def _others(pairs: Paired) -> Array:
    """Return how many rows of its stratum each row is compared with: the late ones of an early one, and the reverse."""
    early = np.bincount(pairs.stratum, pairs.early)[pairs.stratum]
    late = np.bincount(pairs.stratum, ~pairs.early)[pairs.stratum]
    return np.where(pairs.early, late, early)


def _below(values: Array, others: Array) -> Array:
    """Return which share of the others lies below each value; those equal to it count half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * len(others))


def _groups(stratum: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    order = np.argsort(stratum, kind="stable")
    return [each for each in np.split(order, np.flatnonzero(np.diff(stratum[order])) + 1) if each.size]
