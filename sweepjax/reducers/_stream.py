"""One pass over any number of rows: bounded batches come in, one state a group comes out.

A state is a dict of things that add: counts, arrays, `Moments`, `Quantiles`. Adding the states of two
halves gives the state of the whole, so neither the batches nor the order of the rows matter.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds
from pyarrow.dataset import Dataset

from sweepjax import plugins
from sweepjax.columns import FACT, INDEX, configured, curves, describing, is_number, kinds, measured, plug_ins, vectors

POINT = ("lam", "n", "d")  # a table says these whenever they are the same throughout a group
BATCH = 65_536
CURVE = 16  # a batch holds this many BATCH of numbers of each curve
DERIVED = "_inverse_square"


class Judgement(NamedTuple):
    """What a reducer claims of its whole table, whether that holds (None: it cannot be said), and why.

    A reducer that has a static method `judge(rows, table)` is asked for it by the report.
    """

    claim: str
    holds: bool | None
    found: list[str]


Piece = dict[str, np.ma.MaskedArray]
State = dict[str, Any]


def fold(
    rows: Dataset, by: str, columns: Iterable[str], summarize: Callable[[Piece], State], along: Iterable[str] = ()
) -> tuple[pd.DataFrame, list[State]]:
    """Return the table of groups and, in the same order, what `summarize` makes of each group.

    `by` names columns to group by, separated by commas; empty stands for every configured field that
    varies. `summarize` reads `columns`, as float64 arrays [r] whose mask is NULL, of one group and batch,
    and curves `along` the recorded times, or vectors along their index, as arrays [r t].
    """
    asked = split(by)
    keys = checked(rows, asked) or [name for name in configured(rows) if name not in INDEX]
    context = [name for name in POINT if name in rows.schema.names and name not in keys]
    read = [*numbers(rows, columns), *checked_curves(rows, along)]
    fine: dict[tuple, State] = {}
    for key, piece in _pieces(rows, [*keys, *context], read):
        fine[key] = add(fine[key], summarize(piece)) if key in fine else summarize(piece)
    if not fine:
        raise ValueError("there are no rows to reduce; check that the sweep has finished at least one chunk")
    groups, states = _coarsen(fine, [*keys, *context], len(keys))
    same = [name for name in keys if not asked and name not in POINT and len(groups.drop_duplicates([name])) == 1]
    return groups.drop(columns=same), states


def absences(rows: Dataset) -> dict[str, float]:
    """Return what the columns of a draw that lacks them stand for among other draws, as its solver declares."""
    declared = [getattr(solver, "absent", {}) for solver in plug_ins(rows, "solver").values()]
    shared = set.intersection(*map(set, declared)) if declared else set()
    return {name: value for name, value in (declared[0] if declared else {}).items() if name in shared}


def points(rows: Dataset) -> pd.DataFrame:
    """Return what was configured, one line for each point of a sweep."""
    names = [name for name in configured(rows) if name not in INDEX]
    parts = [batch.to_pandas().drop_duplicates() for batch in rows.to_batches(columns=names) if batch.num_rows]
    return pd.concat(parts).drop_duplicates(ignore_index=True) if parts else pd.DataFrame(columns=pd.Index(names))


def ends(rows: Dataset) -> Dataset:
    """Return rows with the last recorded value of each curve in its place; NULL where nothing is recorded."""
    names = curves(rows)
    single = [name for name in rows.schema.names if not pa.types.is_nested(rows.schema.field(name).type)]
    parts = []
    for batch in rows.to_batches(columns=[*single, *names], batch_size=_batch_rows(rows, names)):
        last = {name: pa.array(_last(_curve(batch.column(name)))) for name in names}
        parts.append(pa.table({name: batch.column(name) for name in single} | last))
    table, kind = pa.concat_tables(parts), kinds(rows)
    said = [describing(field, FACT if field.name in names else kind[field.name]) for field in table.schema]
    return pds.dataset(table.cast(pa.schema(said)))


def _last(curve: np.ma.MaskedArray) -> np.ma.MaskedArray:
    present = ~np.ma.getmaskarray(curve)
    place = curve.shape[1] - 1 - np.argmax(present[:, ::-1], axis=1)
    return np.ma.MaskedArray(curve.data[np.arange(len(curve)), place], mask=~present.any(axis=1))


def add(a: State, b: State) -> State:
    """Add two states, name by name."""
    return {name: a[name] + b[name] for name in a}


def split(names: str) -> list[str]:
    """Return the words of a comma-separated text."""
    return [name.strip() for name in names.split(",") if name.strip()]


def checked(rows: Dataset, columns: Iterable[str]) -> list[str]:
    """Return `columns` if every one can be read, else raise ValueError naming the nearest."""
    columns = list(columns)
    for name in columns:
        if pa.types.is_nested(_kind(rows, name)):
            raise ValueError(f"column {name!r} holds a list in every row; choose a column with one number a row")
    return columns


def numbers(rows: Dataset, columns: Iterable[str]) -> list[str]:
    """Return `columns` if each can be averaged, else raise ValueError naming those that can."""
    columns = checked(rows, columns)
    for name in columns:
        if not is_number(rows.schema, source(name)):
            raise ValueError(f"column {name!r} holds no numbers; choose one of: {', '.join(measured(rows))}")
    return columns


def checked_curves(rows: Dataset, columns: Iterable[str]) -> list[str]:
    """Return `columns` if each holds a number at every recorded time, else raise ValueError naming those that do."""
    columns = list(columns)
    for name in columns:
        if not (is_curve(rows, name) or is_vector(rows, name)):
            choices = ", ".join(curves(rows)) or "none, since these rows are of a run that recorded no times"
            raise ValueError(f"column {name!r} holds no number at every recorded time; choose one of: {choices}")
    return columns


def is_curve(rows: Dataset, name: str) -> bool:
    """Whether a column holds one number at every recorded time of a row."""
    _kind(rows, name)
    return source(name) in curves(rows)


def is_vector(rows: Dataset, name: str) -> bool:
    """Whether a column holds several numbers once a row."""
    _kind(rows, name)
    return source(name) in vectors(rows)


def source(name: str) -> str:
    """Return the stored column that `name` is computed from: s_norm for s_norm_inverse_square."""
    return name.removesuffix(DERIVED)


def _kind(rows: Dataset, name: str) -> pa.DataType:
    known = rows.schema.names
    if name not in known and source(name) not in known:
        raise ValueError(plugins.unknown("column", name, known))
    return rows.schema.field(source(name)).type


def _pieces(rows: Dataset, keys: list[str], columns: list[str]) -> Iterator[tuple[tuple, Piece]]:
    stored = list(dict.fromkeys([*keys, *map(source, columns)]))
    for batch in rows.to_batches(columns=stored, batch_size=_batch_rows(rows, columns)):
        values = {name: _values(batch, name) for name in columns}
        for key, where in _positions(batch, keys):
            yield key, {name: column[where] for name, column in values.items()}


def _batch_rows(rows: Dataset, columns: list[str]) -> int:
    kinds = [_kind(rows, name) for name in columns]
    longest = max((kind.list_size for kind in kinds if pa.types.is_fixed_size_list(kind)), default=0)
    return max(1, min(BATCH, CURVE * BATCH // max(longest, 1)))


def _positions(batch: pa.RecordBatch, keys: list[str]) -> Iterator[tuple[tuple, Any]]:
    if not batch.num_rows:
        return
    if not keys:
        yield (), slice(None)
        return
    groups = batch.select(keys).to_pandas().groupby(keys, sort=False, dropna=False, observed=True)
    for key, where in groups.indices.items():
        yield key if isinstance(key, tuple) else (key,), where


def _values(batch: pa.RecordBatch, name: str) -> np.ma.MaskedArray:
    column = batch.column(source(name))
    values = _curve(column) if pa.types.is_fixed_size_list(column.type) else _numbers(column)
    if name not in batch.schema.names:
        with np.errstate(divide="ignore"):
            return np.ma.MaskedArray(values.data**-2.0, mask=values.mask)
    return values


def _numbers(column: pa.Array) -> np.ma.MaskedArray:
    null = column.is_null().to_numpy(zero_copy_only=False)
    values = pc.fill_null(pc.cast(column, pa.float64()), np.nan).to_numpy(zero_copy_only=False)
    return np.ma.MaskedArray(values, mask=null)


def _curve(column: pa.FixedSizeListArray) -> np.ma.MaskedArray:
    # The inner values are those of the whole array, whatever the slice, NULL rows included.
    width = column.type.list_size
    inner = _numbers(column.values.slice(column.offset * width, len(column) * width)).reshape(-1, width)
    null = column.is_null().to_numpy(zero_copy_only=False)
    return np.ma.MaskedArray(inner.data, mask=inner.mask | null[:, None])


def _coarsen(fine: dict[tuple, State], names: list[str], keys: int) -> tuple[pd.DataFrame, list[State]]:
    """Add over whatever is not asked for and not the same throughout each group; sort what remains."""
    count = len({key[:keys] for key in fine})
    kept = [i for i in range(len(names)) if i < keys or len({(*key[:keys], key[i]) for key in fine}) == count]
    coarse: dict[tuple, State] = {}
    for key, state in fine.items():
        short = tuple(key[i] for i in kept)
        coarse[short] = add(coarse[short], state) if short in coarse else state
    order = sorted(range(count), key=list(coarse).__getitem__)
    groups, states = list(coarse), list(coarse.values())
    table = pd.DataFrame([groups[i] for i in order], columns=pd.Index([names[i] for i in kept]), index=range(count))
    return table, [states[i] for i in order]
