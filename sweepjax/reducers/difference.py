"""How much a quantity changes along a field, draw by draw: rows that share their noise are compared in pairs."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.dataset import Dataset
from scipy.stats import t as student

from sweepjax.columns import CLOCKS, INDEX, configured, curves, plug_ins
from sweepjax.reducers._stream import POINT, Piece, State, checked, fold, is_curve, numbers, points, split

Array = NDArray[np.float64]
Side = dict[str, Array]  # the rows of one value of the field: seed, realization, the values of each column
NUMBERS = ("difference", "se", "low", "high", "se_unpaired", "correlation", "pairs", "left_out")


@dataclass(frozen=True)
class Difference:
    """Mean difference of a column between each value of a field and its first: one line a group, column and value.

    Two rows are a pair if they differ in that field only: they have the same seed and realization, and so the same
    dataset. `se` is the standard error of the mean of their differences, and `low` to `high` the 95 % interval by
    Student's t. `se_unpaired` is what it would be of two runs that share nothing: the ratio says what pairing is worth,
    as does the `correlation`. Rows of a value are `left_out` that have no partner, or no number in one of the two.

    Of a curve there is a line for each recorded time. Memory grows with the rows, by some ten bytes each.
    """

    along: str = ""  # the field whose values are compared; it must not change how a dataset is drawn
    column: str = ""  # separated by commas
    by: str = ""  # separated by commas; empty: every other configured field that varies

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, column, the field and its first value as `…_reference`, time of a curve, and the numbers."""
        columns = split(self.column)
        if not columns:
            raise ValueError("which column is compared is not given; add --column NAME")
        labels = _shared(rows, self.along)
        if self.along in split(self.by):
            raise ValueError(f"--by {self.by} has {self.along}, whose values are compared; leave it out")
        fine, states = fold(rows, ",".join(labels), *self._read(rows, columns))
        keys = checked(rows, split(self.by)) or [name for name in labels if name != self.along]
        known = fine.assign(state=states)
        groups = known.groupby(keys, sort=True, dropna=False) if keys else [((), known)]
        lines = (
            dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True)) | line
            for key, group in groups
            for line in self._lines(group, columns)
        )
        table = pd.DataFrame(lines)
        if table.empty:
            raise ValueError(f"no two rows differ in {self.along} alone, so that they make no pairs")
        same = [name for name in keys if not self.by and name not in POINT and len(set(table[name])) == 1]
        return table.drop(columns=same)

    def _read(self, rows: Dataset, columns: list[str]) -> tuple[list[str], Any, list[str]]:
        """Return what `fold` reads: the single numbers, what it makes of them, and the curves."""
        along = [name for name in columns if is_curve(rows, name)]
        single = [*INDEX, *numbers(rows, [name for name in columns if name not in along])]
        clocks = [name for name in CLOCKS if name in curves(rows)] if along else []
        return single, _listed, [*clocks, *along]

    def _lines(self, group: pd.DataFrame, columns: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the lines of a group: its fine groups differ in what is not asked for, and in the field."""
        others = [name for name in group if name not in (self.along, "state")]
        values = sorted(set(group[self.along]))
        if len(values) < 2:
            return
        cells = [
            dict(zip(each[self.along], each["state"], strict=True)) for _, each in group.groupby(others, dropna=False)
        ]
        for value in values[1:]:
            pairs = [_paired(cell.get(values[0]), cell[value]) for cell in cells if value in cell]
            where = {self.along: value, f"{self.along}_reference": values[0]}
            for name in columns:
                yield from ({"column": name} | where | line for line in _compared(name, pairs))


def _shared(rows: Dataset, along: str) -> list[str]:
    """Return the fields that vary, the one that is compared among them, if it leaves the datasets as they are."""
    labels = [name for name in configured(rows) if name not in INDEX]
    if along not in labels:
        given = f"{along!r} is no field of these rows" if along else "which field is compared is not given"
        raise ValueError(f"{given}; add --along with one of: {', '.join(labels)}")
    if not _keeps_draws(rows, along):
        raise ValueError(f"rows that differ in {along} do not share their datasets, so that they make no pairs")
    every = points(rows)
    if len(set(every[along])) < 2:
        raise ValueError(f"{along} has one value in these rows; give rows of at least two")
    varying = [name for name in labels if len(set(every[name])) > 1 and not _belongs(every, name, along)]
    return [name for name in labels if name in POINT or name == along or name in varying]


def _belongs(every: pd.DataFrame, name: str, along: str) -> bool:
    """Whether a field is NULL but for some values of another, such as the learning rate but for some solvers."""
    return bool(every[name].isna().to_numpy().any()) and len(every.drop_duplicates([along, name])) == len(
        set(every[along])
    )


def _keeps_draws(rows: Dataset, name: str) -> bool:
    """Whether rows that differ in a field share their datasets: fields of solvers, and real ones of models."""
    for model in plug_ins(rows, "model").values():
        fields = {field.name: field for field in dataclasses.fields(model)} if model else {}
        if name in fields:
            allowed = fields[name].metadata.get("allowed")
            return isinstance(fields[name].default, float) or (allowed is not None and not allowed.draws)
    return name not in (*POINT, "model")


def _listed(piece: Piece) -> State:
    return {name: [values.filled(nan)] for name, values in piece.items()}


def _paired(first: State | None, second: State) -> tuple[Side, Side, int]:
    """Return the rows of two values that are pairs, in one order, and how many of the second have no partner."""
    one, other = ({name: np.concatenate(parts) for name, parts in (each or {}).items()} for each in (first, second))
    count = len(other[INDEX[0]])
    if not one:
        return {}, {}, count
    tables = [pd.DataFrame({name: side[name] for name in INDEX}).drop_duplicates() for side in (one, other)]
    places = [table.assign(**{f"place{i}": table.index}) for i, table in enumerate(tables)]
    joined = places[0].merge(places[1], on=list(INDEX))
    chosen = [
        {name: values[joined[f"place{i}"]] for name, values in side.items()} for i, side in enumerate((one, other))
    ]
    return chosen[0], chosen[1], count - len(joined)


def _compared(name: str, pairs: list[tuple[Side, Side, int]]) -> Iterator[dict[str, float]]:
    """Yield the numbers of a column; of a curve those at each recorded time."""
    whole = [(one, other) for one, other, _ in pairs if one]
    alone = sum(count for _, _, count in pairs)
    if not whole:
        yield _numbers(np.empty(0), np.empty(0), alone)
        return
    first, second = (np.concatenate([pair[side][name] for pair in whole]) for side in (0, 1))
    if first.ndim == 1:
        yield _numbers(first, second, alone)
        return
    clocks = {clock: np.concatenate([other[clock] for _, other in whole]) for clock in CLOCKS if clock in whole[0][1]}
    for place in range(first.shape[1]):
        times = {clock: float(np.nanmax(values[:, place])) for clock, values in clocks.items()}
        yield times | _numbers(first[:, place], second[:, place], alone)


def _numbers(first: Array, second: Array, alone: int) -> dict[str, float]:
    usable = np.isfinite(first) & np.isfinite(second)
    one, other = first[usable], second[usable]
    count, left_out = len(one), alone + int((~usable).sum())
    if count < 2:
        middle = float((other - one)[0]) if count else nan
        return dict(zip(NUMBERS, (middle, nan, nan, nan, nan, nan, count, left_out), strict=True))
    difference = other - one
    middle, se = float(difference.mean()), float(difference.std(ddof=1)) / sqrt(count)
    half = se * float(student.ppf(0.975, count - 1))
    unpaired = sqrt((one.var(ddof=1) + other.var(ddof=1)) / count)
    spread = one.std() * other.std()
    correlation = float(np.mean((one - one.mean()) * (other - other.mean())) / spread) if spread > 0 else nan
    values = (middle, se, middle - half, middle + half, unpaired, correlation, count, left_out)
    return dict(zip(NUMBERS, values, strict=True))
