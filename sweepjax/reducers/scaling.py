"""Finite-size scaling: exponents with intervals, crossings, and a power law against a logarithm."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow.dataset import Dataset
from scipy.special import chdtrc

from sweepjax import plugins
from sweepjax.columns import INDEX, configured
from sweepjax.reducers._collapse import NAMES, Form, Points, fit
from sweepjax.reducers._growth import Ratio, crossing, laws
from sweepjax.reducers._resampling import log_odds, quantiles
from sweepjax.reducers._stream import POINT, Piece, State, checked, fold, numbers, points, split
from sweepjax.reducers.grokking_time import EACH, GrokkingTime

Array = NDArray[np.float64]
NULLS = {"left_out": nan, "infinite": inf, "zero": 0.0}
FEWEST, RAREST, FEWEST_DRAWS = 50, 5, 20  # values of a point that is used, of its rarer kind; resampled sets
RESULT = ("value", "low", "high", "chi_square", "dof", "p", "aic", "points", "points_left_out", "rows", "left_out")


@dataclass(frozen=True)
class Scaling:
    """How a column depends on a size N and a control parameter λ near λ_c: a line a group and result.

    `collapse` fits C = N^a f((λ - λ_c) N^(1/ν)) to quantiles of C at all points: `critical` λ_c, `nu`, `exponent` a,
    each of them fixed where it is an option. log f is a polynomial of some `degree`, one for each quantile. With
    `omega` > 0 corrections N^(-omega) h add to it, h of `correction_degree`. `chi_square` of one curve for all sizes
    is the quality of the collapse: a small `p` says that there is none, and that the intervals do not hold.

    `crossing` is where the ratio of the lowest to the highest quantile, which is Binder's cumulant for laws without
    moments, is the same at two sizes; of truth values it is where the fraction is. `growth` fits a power and a
    logarithm to the middle quantile, along N at one λ and along |λ - λ_c| at one N: the law with the smaller `aic` is
    the better one.

    Of truth values the log-odds of the fraction are taken, with a = 0. Rows of trainings have the columns t_train,
    t_test, delay and ratio, as `grokking_time` says, by `quantity` and `threshold`: a censored time is beyond every
    number, and points of which a quantile is censored are left out. So are points of fewer than 50 values, or
    of fewer than 5 of the rarer truth value.

    Intervals are at 95 %, of the bootstrap over realizations; of `growth`, of least squares.

    Source:
        Binder (1981), Z. Phys. B 43, 119; Slevin, Ohtsuki (1999), Phys. Rev. Lett. 82, 382.
    """

    column: str = ""  # C
    by: str = ""  # separated by commas; empty: every other configured field that varies
    size: str = "n"  # the field N
    control: str = "lam"  # the field λ
    quantiles: str = "25,50,75"  # in percent
    degree: int = 5  # of the polynomial log f
    omega: float = 0.0  # 0: no corrections
    correction_degree: int = 1  # of the polynomial h
    critical: float = nan  # λ_c; not given: fitted
    nu: float = nan  # not given: fitted
    exponent: float = nan  # a; not given: fitted
    null: str = "left_out"  # or "infinite", "zero": what a draw that lacks the column counts as
    quantity: str = "accuracy"  # or "loss", of times
    threshold: float = nan  # of times
    draws: int = 200  # resampled sets of rows
    resampling_seed: int = 0  # of the bootstrap

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, analysis, where, quantity, value with low and high, χ², dof, p, aic, and counts."""
        self._check()
        keys = checked(rows, split(self.by)) or _others(rows, {"size": self.size, "control": self.control})
        read = self._times if self._is_time(rows) else self._values
        known = read(rows, [self.size, self.control, *keys])
        groups = known.groupby(keys, sort=True, dropna=False) if keys else [((), known)]
        lines = [
            dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True)) | line
            for key, group in groups
            for line in _Group(self, group).lines()
        ]
        if not lines:
            what = f"{FEWEST} values at each of two sizes, or at three values of {self.control}"
            raise ValueError(f"there are too few points for finite-size scaling of {self.column}; it needs {what}")
        return pd.DataFrame(lines, columns=pd.Index([*keys, "analysis", "where", "quantity", *RESULT]))

    def _check(self) -> None:
        if not self.column:
            raise ValueError("which column is scaled is not given; add --column NAME")
        if self.null not in NULLS:
            raise ValueError(plugins.unknown("null", self.null, list(NULLS)))
        limits = {"degree": (1, 12), "correction_degree": (0, 12), "draws": (FEWEST_DRAWS, 10_000)}
        limits |= {"omega": (0, 10), "nu": (1e-3, 1e3)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not (low <= value <= high or isnan(value)):
                raise ValueError(f"{name} = {value:g} is not allowed; give a number from {low:g} to {high:g}")
        self.percents()

    def percents(self) -> Array:
        """Return the quantiles that are asked for, as fractions in rising order."""
        try:
            percents = sorted({float(word) for word in split(self.quantiles)})
        except ValueError:
            percents = []
        if not percents or not 0 < percents[0] <= percents[-1] < 100:
            wanted = "numbers above 0 and below 100, separated by commas"
            raise ValueError(f"quantiles = {self.quantiles!r} is not allowed; give {wanted}")
        return np.array(percents) / 100

    def _is_time(self, rows: Dataset) -> bool:
        times = [name for name in EACH if not name.startswith("censored")]
        return self.column in times and self.column not in rows.schema.names

    def _values(self, rows: Dataset, keys: list[str]) -> pd.DataFrame:
        """Return the values of each point, with what a NULL counts as in its place."""
        numbers(rows, [self.column])
        groups, states = fold(rows, ",".join(keys), [self.column], self._listed)
        found = [np.concatenate(state["values"]) for state in states]
        truth = pa.types.is_boolean(rows.schema.field(self.column).type) if self.column in rows.schema.names else False
        return groups[keys].assign(values=found, truth=truth)

    def _listed(self, piece: Piece) -> State:
        return {"values": [piece[self.column].filled(NULLS[self.null])]}

    def _times(self, rows: Dataset, keys: list[str]) -> pd.DataFrame:
        """Return the times of each point; one that is censored is beyond every number."""
        measure = GrokkingTime(quantity=self.quantity, threshold=self.threshold, each=True, by=",".join(keys))
        table = measure(rows)
        side = "train" if self.column == "t_train" else "test"
        lacks, censored = table[self.column].isna(), table[f"censored_{side}"].astype(bool)
        table["values"] = table[self.column].where(~censored | lacks, inf)
        points = table[keys].drop_duplicates(ignore_index=True)
        found = [each["values"].to_numpy(np.float64) for _, each in table.groupby(keys, sort=False)]
        return points.assign(values=found, truth=False)


class _Group:
    """The points of one group, and what is said of them."""

    def __init__(self, scaling: Scaling, group: pd.DataFrame) -> None:
        rng, self.scaling = np.random.default_rng(scaling.resampling_seed), scaling
        self.truth = bool(np.any(group["truth"]))
        every = group.sort_values([scaling.size, scaling.control])
        found, kept = [], []
        for values in every["values"]:
            sampled = self._sampled(values[~np.isnan(values)], rng)
            kept.append(sampled is not None)
            found += [sampled] if sampled else []
        used = every.loc[kept]
        self.counts = {
            "points": len(used),
            "points_left_out": len(every) - len(used),
            "rows": sum(map(len, every["values"])),
            "left_out": sum(int(np.isnan(values).sum()) for values in every["values"]),
        }
        control, size = (used[name].to_numpy(np.float64) for name in (scaling.control, scaling.size))
        values = np.array([each.values for each in found])
        samples = np.stack([each.samples for each in found], axis=1) if found else values
        counts = np.array([np.count_nonzero(~np.isnan(each)) for each in used["values"]], dtype=np.float64)
        self.points = Points(control, size, counts, values, samples)

    def _sampled(self, values: Array, rng: np.random.Generator) -> Any:
        """Return the logarithms of a point's numbers; nothing where it has too few, or they are no numbers."""
        if len(values) < FEWEST:
            return None
        if self.truth:
            rarer = min(values.sum(), len(values) - values.sum())
            return log_odds(values, self.scaling.draws, rng) if rarer >= RAREST else None
        found = quantiles(values, self.scaling.percents(), self.scaling.draws, rng)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = found._replace(values=np.log(found.values), samples=np.log(found.samples))
        sound = np.isfinite(logs.values).all() and np.isfinite(logs.samples).all()
        return logs if sound and (np.ptp(logs.samples, axis=0) > 0).all() else None

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield a line for each result."""
        critical = self.scaling.critical
        if len(set(self.points.size)) > 1 and len(set(self.points.control)) > 1:
            collapse = list(self._collapse())
            critical = collapse[0]["value"]
            yield from collapse
            yield from self._crossings()
        if not self.truth:
            yield from self._growth(critical)

    def _line(self, analysis: str, where: str, quantity: str, **numbers: float) -> dict[str, Any]:
        return {"analysis": analysis, "where": where, "quantity": quantity} | numbers | self.counts

    def _collapse(self) -> Iterator[dict[str, Any]]:
        known = self.scaling.critical, self.scaling.nu, 0.0 if self.truth else self.scaling.exponent
        form = Form(self.scaling.degree, self.scaling.omega, self.scaling.correction_degree, known)
        found = fit(self.points, form)
        quality = {"chi_square": found.chi_square, "dof": found.dof, "p": float(chdtrc(found.dof, found.chi_square))}
        for name, value, low, high, fixed in zip(NAMES, found.values, found.low, found.high, known, strict=True):
            ends = (low, high) if isnan(fixed) else (nan, nan)
            yield self._line("collapse", "all points", name, value=value, low=ends[0], high=ends[1], **quality)

    def _crossings(self) -> Iterator[dict[str, Any]]:
        if not self.truth and self.points.values.shape[1] < 2:
            return
        sizes = sorted(set(self.points.size))
        for one, other in itertools.combinations(sizes, 2):
            value, low, high = crossing(self._ratio(one), self._ratio(other), self.scaling.degree)
            where = f"{self.scaling.size} = {one:g} and {other:g}"
            yield self._line("crossing", where, self.scaling.control, value=value, low=low, high=high)

    def _ratio(self, size: float) -> Ratio:
        at, every = self.points.size == size, (self.points.values[None], self.points.samples)
        values, samples = (each[:, :, 0] - (0 if self.truth else each[:, :, -1]) for each in every)
        return Ratio(self.points.control[at], values[0, at], samples[:, at])

    def _growth(self, critical: float) -> Iterator[dict[str, Any]]:
        control, size, name = self.points.control, self.points.size, self.scaling
        for value in sorted(set(control)):
            yield from self._laws(f"{name.control} = {value:.6g}", name.size, control == value, size)
        for value in sorted(set(size)) if not isnan(critical) else ():
            for side, chosen in (("below", control < critical), ("above", control > critical)):
                where, along = f"{name.size} = {value:g}, {side}", f"|{name.control} - {critical:.4g}|"
                yield from self._laws(where, along, (size == value) & chosen, np.abs(control - critical))

    def _laws(self, where: str, along: str, chosen: NDArray[np.bool_], at: Array) -> Iterator[dict[str, Any]]:
        middle = self.points.values.shape[1] // 2
        values, samples = self.points.values[chosen, middle], self.points.samples[:, chosen, middle]
        for law in laws(at[chosen], values, samples):
            result = {name: getattr(law, name) for name in ("value", "low", "high", "chi_square", "dof", "aic")}
            tail = float(chdtrc(law.dof, law.chi_square))
            yield self._line("growth", where, f"{law.name} of {along}", **result, p=tail) | {
                "points": int(chosen.sum())
            }


def _others(rows: Dataset, fields: dict[str, str]) -> list[str]:
    """List the fields that vary besides those that are scaled along, which are given by the names of their options."""
    labels = [name for name in configured(rows) if name not in INDEX]
    for option, name in fields.items():
        if name not in labels:
            raise ValueError(f"{plugins.unknown('field', name, labels)}, with --set {option}=FIELD")
    every = points(rows)
    return [name for name in labels if name not in (*fields.values(), *POINT) and len(set(every[name])) > 1]
