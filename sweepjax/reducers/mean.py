"""Means with their standard errors, and the quantiles to use where a mean has none."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import inf, isinf, nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.dataset import Dataset

from sweepjax.columns import CLOCKS, curves, measured
from sweepjax.reducers._crossings import STOPPED, flags, stopped
from sweepjax.reducers._states import Largest, Moments, Quantiles, Range
from sweepjax.reducers._stream import DERIVED, Piece, State, absences, fold, is_curve, is_vector, numbers, source, split

CERTIFIED = "certified"
SMALLEST_SKETCH, LARGEST_SKETCH = 8, 65_535  # what the sketch's own format allows
NO_VARIANCE = 2.0  # an exponent of the tail up to which a law has no variance
RARE = 0.01  # a fraction of infinite draws below which the tail that leads there is not felt
ALL = ("median_all", "median_all_low", "median_all_high")


@dataclass(frozen=True)
class Mean:
    """Mean, standard error, median and quantiles of each column: one line a group and column.

    Of a curve, which has one number at each recorded time, there is a line a group, column and time; the
    rows of a group must share their times. Of a vector, which a row has once, there is a line an `index`, from 0.
    Each line keeps a sketch of its own: lower it if memory is short.

    `left_out` rows are NULL or nan; all else is of the `kept` ones. `median_all` is of every draw that is not nan, so
    that nothing is selected: one that lacks the column counts as its solver says, such as a separable one, whose ‖S_∞‖
    is infinite; nan where the solver says nothing. Rows that are not certified stay in, since they are the tail: their
    s_norm is a lower bound. A training that was `stopped` is NULL from then on: later values are of those under way.

    `tail` is the exponent a of a tail 1/xᵃ, by the largest values. At 2 or less a law has no variance, and `se` says
    nothing, as of s_norm near λ = 1/2: read a median, or the mean of s_norm_inverse_square, whose law has light tails.

    Truth values average to fractions. Quantiles are exact up to `sketch` values a line; beyond, their rank is off by
    less than 0.07 % of `kept` with 99 % confidence (at the default size), and two reductions of the same rows may
    differ by as much.
    """

    column: str = ""  # separated by commas; empty: every measured number, and s_norm_inverse_square, else every curve
    by: str = ""  # separated by commas; empty: every configured field that varies
    quantiles: str = "5,25,75,95"  # in percent
    separable_is_zero: bool = False  # count 1/‖S‖² of draws without a finite ‖S‖ as 0, not as missing
    sketch: int = 4096  # values of a line up to which quantiles are exact

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, column, time and step of a curve, mean, se, median with median_low, median_high (95 %), q5 …."""
        if not SMALLEST_SKETCH <= self.sketch <= LARGEST_SKETCH:
            allowed = f"a number from {SMALLEST_SKETCH} to {LARGEST_SKETCH}"
            raise ValueError(f"sketch = {self.sketch} is not allowed; give {allowed}")
        absent = _with_powers(absences(rows))
        percents, columns = _percents(self.quantiles), split(self.column) or _default(rows, absent)
        along = _along(rows, columns)
        single = [*flags(rows), *(name for name in (CERTIFIED,) if name in rows.schema.names)]
        scalars = list(dict.fromkeys(single if along else [*columns, *single]))
        groups, states = fold(rows, self.by, scalars, partial(self._summarize, columns, absent), along)
        lines = (
            key | {"column": name} | moment | _line(state, name + place, percents)
            for key, state in zip(groups.to_dict("records"), states, strict=True)
            for name in columns
            for place, moment in _moments(state) or _indices(rows, along)
        )
        table = pd.DataFrame(lines)
        table.attrs.update(_note(table))
        return table

    def _summarize(self, columns: list[str], absent: dict[str, float], piece: Piece) -> State:
        state: State = {"rows": len(next(iter(piece.values()))), "uncertified": _count_false(piece, CERTIFIED)}
        state |= {f"clock {name}": _range(piece[name]) for name in _clocks(piece)}
        ended = stopped(piece)
        for name, key, values in _one_by_one(piece, columns):
            state |= {f"stopped {key}": int((values.mask & each).sum()) for each in ended.values()}
            every = values.filled(absent[name]) if name in absent else None
            if every is not None:
                state[f"all {key}"] = Quantiles.of(every, self.sketch)
                state[f"infinite {key}"] = int((np.isinf(every) & values.mask).sum())
            if every is not None and self.separable_is_zero and name.endswith(DERIVED):
                values = np.ma.MaskedArray(every, mask=False)  # noqa: PLW2901
            state |= {f"{what} {key}": value for what, value in self._statistics(values).items()}
        return state

    def _statistics(self, values: np.ma.MaskedArray) -> State:
        present = values.compressed()
        kept = present[~np.isnan(present)]
        with np.errstate(invalid="ignore", over="ignore"):
            moments = Moments.of(kept)
        order, largest = Quantiles.of(kept, self.sketch), Largest.of(kept)
        return {"moments": moments, "quantiles": order, "largest": largest, "null": values.size - present.size}


def without_variance(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which lines of a table of means have a tail of exponent 2 or less, as far as can be seen.

    It is so where 2 is no more than a standard error below the exponent, or where more than a per cent of the draws
    are infinite, since the others are as large as one likes then.
    """
    near = (table["tail"] - table["tail_se"] <= NO_VARIANCE).to_numpy(bool)
    infinite = (table["infinite"] > RARE * table["rows"]).to_numpy(bool)
    return (near | infinite) & (table["kept"] > 0).to_numpy(bool)


def _line(state: State, key: str, percents: list[float]) -> dict[str, float]:
    moments, order = state[f"moments {key}"], state[f"quantiles {key}"]
    kept, null, rows = moments.count, state[f"null {key}"], state["rows"]
    line = {"mean": moments.mean if kept else nan, "se": moments.se} | order.median("median")
    line |= {f"q{percent:g}": order.quantile(percent / 100) for percent in percents}
    line |= {"rows": rows, "kept": kept, "null": null, "nan": rows - kept - null, "left_out": rows - kept}
    line |= {STOPPED: state[f"stopped {key}"]} if f"stopped {key}" in state else {}
    tail, tail_se = state[f"largest {key}"].tail
    line |= {"uncertified": state["uncertified"], "infinite": state.get(f"infinite {key}", 0)}
    line |= {"tail": tail, "tail_se": tail_se}
    every = state.get(f"all {key}", None if null else order)
    return line | (every.median("median_all") if every else dict.fromkeys(ALL, nan))


def _note(table: pd.DataFrame) -> dict[str, str]:
    """Return the sentence that warns of standard errors that say nothing, by the name `note`."""
    heavy = table[without_variance(table)]
    if heavy.empty:
        return {}
    names = ", ".join(dict.fromkeys(heavy["column"]))
    where = f"{len(heavy)} of {len(table)} lines"
    advice = "its standard error says nothing there; read a median, or the mean of a power of it with a light tail"
    return {"note": f"{names}: the tail falls off too slowly for a variance in {where}, and {advice}"}


def _percents(text: str) -> list[float]:
    try:
        percents = [float(word) for word in split(text)]
    except ValueError:
        percents = [nan]
    if not all(0 <= percent <= 100 for percent in percents):
        raise ValueError(f"quantiles = {text!r} is not allowed; give numbers from 0 to 100, separated by commas")
    return percents


def _with_powers(absent: dict[str, float]) -> dict[str, float]:
    """Add what the inverse squares of columns stand for where these are absent."""
    return absent | {name + DERIVED: inf if value == 0 else value**-2.0 for name, value in absent.items()}


def _default(rows: Dataset, absent: dict[str, float]) -> list[str]:
    """List what is measured, each column that may be infinite with its inverse square; or every curve."""
    pairs = ((name, name + DERIVED) if isinf(absent.get(name, 0.0)) else (name,) for name in measured(rows))
    return [name for pair in pairs for name in pair] or _curves(rows)


def _curves(rows: Dataset) -> list[str]:
    return [name for name in curves(rows) if name not in CLOCKS]


def _along(rows: Dataset, columns: list[str]) -> list[str]:
    """Return what to read if `columns` are curves or vectors, nothing if they are single numbers."""
    found, long = ([name for name in columns if is_one(rows, name)] for is_one in (is_curve, is_vector))
    single = numbers(rows, [name for name in columns if name not in [*found, *long]])
    sorts = {"one number a row": single, "a curve": found, "a vector": long}
    given = [f"{names[0]!r} holds {what}" for what, names in sorts.items() if names]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)}; reduce them in calls of their own")
    if len({rows.schema.field(source(name)).type.list_size for name in long}) > 1:
        raise ValueError(f"the vectors {', '.join(long)} are not of one length; reduce them in calls of their own")
    for name in CLOCKS:
        if name in found:
            raise ValueError(f"{name!r} is when the curves were recorded; choose one of: {', '.join(_curves(rows))}")
    clocks = ["time", *(["step"] if "step" in curves(rows) else [])] if found else []
    return [*clocks, *found, *long]


def _clocks(piece: Piece) -> list[str]:
    return [name for name in CLOCKS if name in piece and piece[name].ndim == 2]


def _range(times: np.ma.MaskedArray) -> Range:
    return Range(times.filled(np.inf).min(axis=0), times.filled(-np.inf).max(axis=0))


def _one_by_one(piece: Piece, columns: list[str]) -> Iterator[tuple[str, str, np.ma.MaskedArray]]:
    """Yield columns [r] with their names twice; of a curve one a recorded time, whose place ends the second name."""
    for name in columns:
        values = np.ma.MaskedArray(piece[name].data, mask=np.ma.getmaskarray(piece[name]))
        if values.ndim == 1:
            yield name, name, values
        else:
            yield from ((name, f"{name} {place}", column) for place, column in enumerate(values.T))


def _moments(state: State) -> list[tuple[str, dict[str, float]]]:
    """Return each recorded time with its place; nothing where there are no times."""
    clocks = {name: _shared(name, state[f"clock {name}"]) for name in CLOCKS if f"clock {name}" in state}
    places = range(len(clocks.get("time", ())))
    return [(f" {place}", {name: times[place] for name, times in clocks.items()}) for place in places]


def _indices(rows: Dataset, long: list[str]) -> list[tuple[str, dict[str, float]]]:
    """Return each index of some vectors with its place; nothing, once, where there are none."""
    length = rows.schema.field(source(long[0])).type.list_size if long else 0
    return [(f" {place}", {"index": place}) for place in range(length)] or [("", {})]


def _shared(name: str, times: Range) -> NDArray[np.float64]:
    if np.any(times.high - times.low > 1e-9 * np.abs(times.high)):
        what = f"the rows of a group were recorded at different values of {name}"
        raise ValueError(f"{what}; group by what sets them too, with --by and the fields that vary")
    return np.where(times.low <= times.high, times.low, np.nan)


def _count_false(piece: Piece, name: str) -> int:
    return int(np.sum(piece[name] == 0)) if name in piece else 0
