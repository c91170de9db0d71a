"""What is known of trainings at an early step, and when they came to be right."""

from collections.abc import Iterator
from math import inf
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow.dataset import Dataset

from sweepjax import plugins
from sweepjax.columns import CLOCK, CURVE, INDEX, kinds
from sweepjax.reducers._crossings import STOPPED
from sweepjax.reducers._stream import numbers

Array = NDArray[np.float64]
BATCH = 1024  # rows, each with all that is recorded of it


class Early(NamedTuple):
    """The rows of a table: the time of each, inf where it never comes, and what was known of it."""

    time: Array
    whole: NDArray[np.bool_]  # recorded up to the early step, and not ended on the way by --stop
    fields: dict[str, Array]
    signals: dict[str, Array]
    end: float  # the last recorded step


def read_early(rows: Dataset, target: str, fields: list[str], signals: list[str], at: float) -> Early:
    """Return what rows hold, their curves at the last recorded step up to `at`.

    Args:
        rows: the table.
        target: the column of a time.
        fields: configured numbers.
        signals: columns, or their parts as in `hjorth.activity`; none stands for all curves and the varying fields.
        at: the early step.
    """
    kind = kinds(rows)
    if not at >= 0:
        raise ValueError(f"at = {at:g} is not allowed; give a step of 0 or later")
    if "step" not in kind:
        raise ValueError("these rows count no steps; give rows of a solver that takes steps")
    numbers(rows, [target])
    recorded = [name for name, each in kind.items() if each == CURVE]
    asked = signals or [*dict.fromkeys(name for name in fields if name not in INDEX), *recorded]
    sources = list(dict.fromkeys(_source(rows, name) for name in asked))
    single = [name for name in sources if kind[name] not in (CURVE, CLOCK)]
    stopped = [STOPPED] if STOPPED in kind else []
    names = list(dict.fromkeys(["step", target, *fields, *single, *sources, *stopped]))
    parts: list[dict[str, Array]] = []
    end = -inf
    for batch in rows.to_batches(columns=names, batch_size=BATCH):
        if batch.num_rows:
            found = _batch(batch, target, fields, sources, at)
            end = max(end, float(found.pop("end")[0]))
            parts.append(found)
    if not parts:
        raise ValueError("there are no rows to reduce; check that the sweep has finished at least one chunk")
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    chosen = {name: whole[name] for name in _chosen(asked, whole)}
    return Early(whole["_time"], whole["_whole"] > 0, {name: whole[name] for name in fields}, chosen, end)


def _source(rows: Dataset, name: str) -> str:
    column = name if name in rows.schema.names else name.rpartition(".")[0]
    if column not in rows.schema.names:
        raise ValueError(plugins.unknown("column", name, rows.schema.names))
    if pa.types.is_string(rows.schema.field(column).type):
        raise ValueError(f"column {column!r} holds no numbers; choose another signal")
    return column


def _chosen(asked: list[str], there: dict[str, Array]) -> Iterator[str]:
    """Yield the numbers that are asked for, each part of a column of several."""
    for name in asked:
        parts = [name] if name in there else [each for each in there if each.startswith(f"{name}.")]
        if not parts:
            raise ValueError(plugins.unknown("signal", name, [each for each in there if not each.startswith("_")]))
        yield from parts


def _batch(batch: pa.RecordBatch, target: str, fields: list[str], sources: list[str], at: float) -> dict[str, Array]:
    step = _numbers(batch.column("step"))
    place = np.sum(step <= at, axis=1) - 1
    reached = np.nanmax(step, axis=1, initial=-inf) >= at
    time = _numbers(batch.column(target))
    ended = _numbers(batch.column(STOPPED)) == 1 if STOPPED in batch.schema.names else np.zeros(len(time), bool)
    found = {
        "_time": np.where(np.isnan(time), inf, time),
        "_whole": (reached & ~(ended & np.isnan(time))).astype(float),
    }
    found["end"] = np.array([np.nanmax(step, initial=-inf)])
    for name in dict.fromkeys([*fields, *sources]):
        values = _numbers(batch.column(name))
        if values.ndim > 1:
            values = values[np.arange(len(values)), np.maximum(place, 0)]
        several = values.reshape(len(values), -1)
        found |= dict(zip(_names(name, values.ndim, several.shape[1]), several.T, strict=True))
    return found


def _names(column: str, dimensions: int, count: int) -> list[str]:
    """Return the names of the numbers of a column at one time."""
    if dimensions == 1:
        return [column]
    try:
        parts = getattr(plugins.find("observables", column), "parts", ())
    except ValueError:
        parts = ()
    return [f"{column}.{part}" for part in (parts if len(parts) == count else range(count))]


def _numbers(column: Any) -> Array:
    """Return the numbers of a column, of any shape; nan for NULL."""
    if not pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    width = column.type.list_size
    inner = _numbers(column.values.slice(column.offset * width, len(column) * width))
    values = inner.reshape(len(column), width, *inner.shape[1:])
    null = column.is_null().to_numpy(zero_copy_only=False)
    return np.where(null.reshape(-1, *[1] * (values.ndim - 1)), np.nan, values)
