"""The columns of a chunk: what each row is, and what was found."""

import dataclasses
from typing import Any

import jax
import numpy as np

from sweepjax.types import Chunk, Columns, name_of

FIRST = ("model", "solver", "lam", "n", "d", "sigma", "seed", "realization")


def labels(chunk: Chunk) -> Columns:
    """Return the columns that say what each row is: names, fields, seed and realization [r]."""
    index = np.arange(chunk.start, chunk.stop)
    tasks = [chunk.family.tasks[i] for i in index % len(chunk.family.tasks)]
    columns = {
        "model": np.array([name_of(task.model) for task in tasks]),
        "solver": np.array([name_of(task.solver) for task in tasks]),
        **_aspect_ratio([task.model for task in tasks]),
        **_fields([task.model for task in tasks]),
        **_fields([task.solver for task in tasks]),
        "seed": np.array([task.seed for task in tasks], dtype=np.int64),
        "realization": index // len(chunk.family.tasks),
    }
    return {name: columns[name] for name in (*FIRST, *columns) if name in columns}


def join(parts: list[Columns], rows: int) -> Columns:
    """Join batches, drop the padding; a pair (value, exists) becomes a masked array."""

    def joined(*leaves: Any) -> np.ndarray:
        return np.concatenate(leaves)[:rows]

    columns = jax.tree.map(joined, *parts)
    return {name: _masked(value) if isinstance(value, tuple) else value for name, value in columns.items()}


def _masked(pair: tuple[np.ndarray, np.ndarray]) -> np.ma.MaskedArray:
    value, exists = pair
    return np.ma.MaskedArray(value, mask=~exists)


def _aspect_ratio(models: list[Any]) -> Columns:
    if not all(hasattr(models[0], name) for name in ("n", "d")):
        return {}
    return {"lam": np.array([model.d / model.n for model in models])}


def _fields(plugins: list[Any]) -> Columns:
    names = (field.name for field in dataclasses.fields(plugins[0]))
    return {name: np.array([getattr(plugin, name) for plugin in plugins]) for name in names}
