"""What it means that two tables hold the same rows, wherever and however wide they were computed.

Labels, truth values and counts are equal, floats agree to 1e-5, NULL meets NULL and NaN meets NaN.
What a solver tells of its own effort is left out: it depends on the machine.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

RELATIVE, ABSOLUTE = 1e-5, 1e-12
EFFORT = {
    *("iterations", "residual", "margin_gap", "support_vectors"),
    *("steps", "evaluations", "exact_steps", "deviation"),
}


class Difference(NamedTuple):
    """A value that is not the same in two tables, with its place in a list as in "b[3]"; None is NULL."""

    row: int
    column: str
    one: Any
    other: Any


def differences(one: pa.Table, other: pa.Table) -> Iterator[Difference]:
    """Yield, column by column, the first value that differs between two tables of equally many rows."""
    for name in dict.fromkeys([*one.column_names, *other.column_names]):
        kinds = [str(table.schema.field(name).type) if name in table.column_names else "" for table in (one, other)]
        if kinds[0] != kinds[1]:
            yield Difference(0, name, *(f"a column of {kind}" if kind else "no column" for kind in kinds))
        elif name not in EFFORT:
            pair = [_numbers(table[name].combine_chunks()) for table in (one, other)]
            for row, place in np.argwhere(_unequal(*pair))[:1].tolist():
                listed = f"{name}[{place}]" if kinds[0].startswith("fixed") else name
                yield Difference(row, listed, *(numbers[row].tolist()[place] for numbers in pair))


def _unequal(one: np.ma.MaskedArray, other: np.ma.MaskedArray) -> np.ndarray:
    a, b = one.data, other.data
    same = np.isclose(a, b, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True) if a.dtype.kind == "f" else a == b
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
