"""What it means that two tables hold the same rows, wherever and however wide they were computed.

Labels and truth values are equal, numbers agree within the tolerance that their column declares, NULL meets NULL and
NaN meets NaN. What a solver says of its own effort is left out: it depends on the machine.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from sweepjax.columns import EFFORT, EXACT, LABEL, Tolerance, kind_of, tolerance_of


class Difference(NamedTuple):
    """A value that is not the same in two tables, with its place in a list as in "b[3]"; None is NULL."""

    row: int
    column: str
    one: Any
    other: Any


def differences(one: pa.Table, other: pa.Table) -> Iterator[Difference]:
    """Yield, column by column, the first value that differs between two tables of equally many rows."""
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
            for row, place in np.argwhere(_unequal(pair, allowed))[:1].tolist():
                listed = f"{name}[{place}]" if pa.types.is_fixed_size_list(fields[0].type) else name
                yield Difference(row, listed, *(numbers[row].tolist()[place] for numbers in pair))


def _shown(field: pa.Field | None) -> str:
    return f"a column of {field.type}" if field else "no column"


def _unequal(pair: tuple[np.ma.MaskedArray, ...], allowed: Tolerance) -> np.ndarray:
    one, other = pair
    a, b = one.data, other.data
    same = a == b
    if a.dtype.kind == "f":
        same = np.isclose(a, b, rtol=allowed.relative, atol=allowed.absolute, equal_nan=True)
    elif a.dtype.kind in "iu" and allowed.absolute >= 1:
        same = np.abs(a - b) <= allowed.absolute
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
