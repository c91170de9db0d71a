"""How many rows are computed and stored at a time."""

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp

from sweepjax.engine.counting import operations
from sweepjax.keys import realization_keys
from sweepjax.sweep.fields import fields_of
from sweepjax.sweep.grid import Axis, Point, picked
from sweepjax.sweep.sweep import Sweep

MOST_FILES, ELEMENTS = 10_000, 10**8
PRODUCTS, OTHERS = 2, 8  # operations that take no longer than to read a number of a dataset, forth and back
STEPS = 100  # discrete steps that take as long as one training by any other solver, in order of magnitude


def default_chunk_rows(sweep: Sweep) -> int:
    """Return how many rows to compute and store at a time.

    As many as read about 10^8 numbers in a training of the usual length, by the largest models of the sweep.

    A power of two from 8 to 4096, or above where the realizations asked for would make over 10^4 files.
    It is counted from shapes alone, never from the machine; a model is taken to grow with its integer fields.
    """
    most = max(work(model, sweep.solver_class) for model in _largest_models(sweep))
    wanted = ELEMENTS // (most * effort(sweep.solver_class, sweep.times))
    rows = 1 << min(max(wanted, 8), 4096).bit_length() - 1
    while sweep.chunk_count(rows) > max(MOST_FILES, sweep.family_count):
        rows *= 2
    return rows


def _largest_models(sweep: Sweep) -> Iterator[Any]:
    """Yield the model with the largest integers for every combination of its texts and truth values."""
    fields = fields_of(sweep.model_class)
    traced = {name: sweep.values[name][0] for name, field in fields.items() if field.kind is float}
    kinds = {name: field.kind for name, field in fields.items() if field.kind is not float}
    for shapes in product(*(_largest(axis, kinds) for axis in sweep.spanned.grid.axes)):
        yield sweep.model_class(**traced, **{name: value for shape in shapes for name, value in shape.items()})


def _largest(axis: Axis, kinds: dict[str, type]) -> list[dict[str, Any]]:
    """Return what an axis says of the shape of a model, with the largest integers for each of its other values."""
    names = [name for name in axis.names if name in kinds]
    largest: dict[Point, tuple[int, Point]] = {}
    for point in dict.fromkeys(map(picked(axis.names, names), axis.points)):
        integers = [value for value in point if type(value) is int]
        rest, size = tuple(value for value in point if type(value) is not int), math.prod(integers)
        if rest not in largest or size > largest[rest][0]:
            largest[rest] = size, point
    return [dict(zip(names, point, strict=True)) for _, point in largest.values()]


def work(model: Any, solver: Any) -> int:
    """Return the numbers of a dataset that are read in the time of one evaluation of a model's gradient.

    They are those of the dataset itself, unless the model computes more than it reads: then its operations count.
    """
    elements = dataset_elements(model)
    if getattr(solver, "needs", "") != "training_loss":
        return elements
    with jax.enable_x64(True):
        counted = operations(jax.grad(model.training_loss), *_shapes(model))
    return max(elements, counted.products // PRODUCTS, counted.others // OTHERS)


def dataset_elements(model: Any) -> int:
    """Return how many numbers one dataset of a model holds."""
    with jax.enable_x64(True):
        _, data = _shapes(model, start=False)
    return max(sum(leaf.size for leaf in jax.tree.leaves(data)), 1)


def _shapes(model: Any, *, start: bool = True) -> tuple[Any, Any]:
    """Return the shapes of the parameters at t = 0, if asked for, and of a dataset."""

    def drawn(seed: Any) -> tuple[Any, Any]:
        keys = realization_keys(model, seed, seed)
        data = model.sample(keys.data)
        return jax.tree.map(jnp.asarray, model.init(keys.init, data)) if start else None, data

    return jax.eval_shape(drawn, jax.ShapeDtypeStruct((), "uint32"))


def effort(solver: Any, times: tuple[float, ...]) -> int:
    """Return how much longer a training takes than one of the usual length: it tells where steps are many."""
    return max(1, int(times[-1]) // STEPS) if solver.clock == "step" else 1
