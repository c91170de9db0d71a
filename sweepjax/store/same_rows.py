"""What it means that two tables hold the same rows, wherever and however wide they were computed.

Labels and truth values are equal, numbers agree within the tolerance that their column declares, NULL meets NULL and
NaN meets NaN. What a solver says of its own effort is left out: it depends on the machine. On devices of different
kinds already the data differ in their last bits, and numbers may be as much further apart as their row amplifies that.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from sweepjax.columns import EFFORT, LABEL, kind_of, tolerance_of
from sweepjax.tolerances import EXACT, Tolerance

MOST = 1e-2  # relative difference more, however badly a row is conditioned
UNLIKE = 9.0  # tolerances more of a column without a condition, between devices of different kinds


class Difference(NamedTuple):
    """A value that is not the same in two tables, with its place in a list as in "b[3]"; None is NULL."""

    row: int
    column: str
    one: Any
    other: Any


def differences(one: pa.Table, other: pa.Table, *, unlike: bool = False) -> Iterator[Difference]:
    """Yield, column by column, the first value that differs between two tables of equally many rows.

    Args:
        one: some rows.
        other: the same rows.
        unlike: whether the two were computed on devices of different kinds.
    """
    for name in dict.fromkeys([*one.column_names, *other.column_names]):
        fields = [table.schema.field(name) if name in table.column_names else None for table in (one, other)]
        if not (fields[0] and fields[1] and fields[0].type == fields[1].type):
            yield Difference(0, name, _shown(fields[0]), _shown(fields[1]))
            continue
        # Rows of earlier versions do not say what their columns are.
        field = next((each for each in fields if kind_of(each)), fields[0])
        if kind_of(field) != EFFORT:
            pair = tuple(_numbers(table[name].combine_chunks()) for table in (one, other))
            allowed = EXACT if kind_of(field) == LABEL else tolerance_of(field)
            relative = allowed.relative + (_amplified(one, allowed) if unlike else 0.0)
            for row, place in np.argwhere(_unequal(pair, relative, allowed.absolute))[:1].tolist():
                listed = f"{name}[{place}]" if pa.types.is_fixed_size_list(fields[0].type) else name
                yield Difference(row, listed, *(numbers[row].tolist()[place] for numbers in pair))


def _shown(field: pa.Field | None) -> str:
    return f"a column of {field.type}" if field else "no column"


def _amplified(rows: pa.Table, allowed: Tolerance) -> np.ndarray | float:
    """Return how much larger a relative difference each row [r 1] may show between devices of different kinds."""
    if not allowed.unlike:
        return UNLIKE * allowed.relative
    known = {name: power for name, power in allowed.unlike.condition.items() if name in rows.column_names}
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = [_numbers(rows[name].combine_chunks()).filled(np.nan) ** power for name, power in known.items()]
        more = allowed.unlike.relative / np.prod(np.abs(powers), axis=0)
    return np.where(np.isfinite(more), np.minimum(more, MOST), 0.0)


def _unequal(pair: tuple[np.ma.MaskedArray, ...], relative: np.ndarray | float, absolute: float) -> np.ndarray:
    one, other = pair
    a, b = one.data, other.data
    same = a == b
    if a.dtype.kind == "f":
        same = np.isclose(a, b, rtol=relative, atol=absolute, equal_nan=True)
    elif a.dtype.kind in "iu" and absolute >= 1:
        same = np.abs(a - b) <= absolute
    return (one.mask != other.mask) | ~(same | one.mask)


def _numbers(column: pa.Array) -> np.ma.MaskedArray:
    """Return the values of a column [r k], NULL masked; lists of any depth are laid out along k."""
    absent = column.is_null().to_numpy(zero_copy_only=False)[:, None]
    kind = column.type
    if pa.types.is_fixed_size_list(kind):
        size = kind.list_size
        inner = _numbers(column.values.slice(column.offset * size, len(column) * size))
        rows = inner.reshape(len(column), -1)
        return np.ma.MaskedArray(rows.data, np.ma.getmaskarray(rows) | absent)
    nothing = "" if pa.types.is_string(kind) else False if pa.types.is_boolean(kind) else 0
    return np.ma.MaskedArray(column.fill_null(nothing).to_numpy(zero_copy_only=False)[:, None], absent)
