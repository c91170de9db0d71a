"""How many rows are computed and stored at a time."""

import math
from collections.abc import Iterator
from typing import Any

import jax

from sweepjax.keys import realization_keys
from sweepjax.sweep.sweep import Sweep, points_of

MOST_FILES, ELEMENTS = 10_000, 10**8
STEPS = 100  # discrete steps that take as long as one training by any other solver, in order of magnitude


def default_chunk_rows(sweep: Sweep) -> int:
    """Return how many rows to compute and store at a time.

    They hold about 10^8 numbers of the largest datasets, or fewer where a training takes many steps.

    A power of two from 8 to 4096, or above where the realizations asked for would make over 10^4 files.
    It depends on shapes alone, never on the machine; a model is taken to grow with its integer fields.
    """
    elements = max(dataset_elements(model) for model in _largest_models(sweep))
    wanted = ELEMENTS // (elements * effort(sweep.solver_class, sweep.times))
    rows = 1 << min(max(wanted, 8), 4096).bit_length() - 1
    while sweep.chunk_count(rows) > max(MOST_FILES, sweep.family_count):
        rows *= 2
    return rows


def _largest_models(sweep: Sweep) -> Iterator[Any]:
    axes = sweep.axes_of(sweep.model_class, shape=True)
    largest = [
        (joined, points if isinstance(points[0][0], str) else [max(points, key=math.prod)]) for joined, points in axes
    ]
    traced = next(points_of(sweep.axes_of(sweep.model_class, shape=False)))
    return (sweep.model_class(**shape, **traced) for shape in points_of(largest))


def dataset_elements(model: Any) -> int:
    """Return how many numbers one dataset of a model holds."""
    seed = jax.ShapeDtypeStruct((), "uint32")
    with jax.enable_x64(True):
        data = jax.eval_shape(lambda seed: model.sample(realization_keys(model, seed, seed).data), seed)
    return max(sum(leaf.size for leaf in jax.tree.leaves(data)), 1)


def effort(solver: Any, times: tuple[float, ...]) -> int:
    """Return how much longer a training takes than one of the usual length: it tells where steps are many."""
    return max(1, int(times[-1]) // STEPS) if solver.clock == "step" else 1
