"""How many rows are stored together, enter together, and are computed side by side."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sweepjax.engine.counting import operations
from sweepjax.engine.drawing import Row
from sweepjax.engine.given import Brought
from sweepjax.engine.kernel import Kernel
from sweepjax.engine.memory import memory
from sweepjax.engine.settings import settled
from sweepjax.engine.widths import compiled
from sweepjax.keys import realization_keys
from sweepjax.sweep.fields import fields_of
from sweepjax.sweep.grid import Axis, Point, picker
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Family, Task

MOST_FILES, ELEMENTS = 10_000, 10**8
PRODUCTS, OTHERS = 2, 8  # operations that take no longer than to read a number of a dataset, forth and back
STEPS = 100  # discrete steps that take as long as one training by any other solver, in order of magnitude
BATCH_ELEMENTS = 3 * 10**6  # numbers of data of the rows of a call, enough to make calling it cost nothing
MOST_PER_BATCH = 32
MOST_AT_ONCE = 4096  # rows of a call where none of them takes long
CURVES = 8  # numbers that a row usually keeps of a recorded time
CACHE = 2**17  # bytes of the slots of a CPU's lanes, where none of their rows takes long
LARGE = 8  # rows of a call even above BATCH_ELEMENTS, to pay for fresh memory pages once
LANE_ELEMENTS = 3 * 10**7  # numbers of data side by side that keep a GPU busy
FEWEST, MOST = 64, 4096  # lanes of a GPU, if they fit
SHARE = 0.6  # of a device's memory for the pool; lanes and columns take the rest
DEATHS = (
    *("CUDA_ERROR_ILLEGAL_ADDRESS", "CUDA_ERROR_LAUNCH_FAILED", "CUDA_ERROR_ECC_UNCORRECTABLE", "CUDA_ERROR_ASSERT"),
    *("CUDA_ERROR_HARDWARE_STACK_ERROR", "CUDA_ERROR_MISALIGNED_ADDRESS", "CUDA_ERROR_DEVICE_UNAVAILABLE"),
    *("CUDA_ERROR_CONTEXT_IS_DESTROYED", "CUDA_ERROR_SYSTEM_NOT_READY", "CUDA_ERROR_NO_DEVICE", "Xid"),
)
CALLS = 4  # rows that enter in one call, relative to the lanes
COPIES, COPIED = 4, 4 * 10**5  # datasets that are brought in one call, and their numbers: each call copies them
WIDER = 8  # how much wider than the last the next program is for more of them, so that few are compiled


class Shape(NamedTuple):
    """How wide a program is: lanes, slots of its pool, and the rows that enter in one call."""

    lanes: int
    slots: int
    rows: int


def shape(asked: int, family: Family, devices: tuple[Any, ...]) -> Shape:
    """Return how wide the program of a family is.

    Args:
        asked: the lanes that the user asks for; 0 leaves the choice to what is measured.
        family: whose rows are computed.
        devices: those of this process.
    """
    steps, size = _steps_and_bytes(compiled(family.tasks[0]))
    lanes = asked or _fitting(family, steps * size, devices[0])
    lanes = _narrower.get(_key(asked, family), lanes)
    if isinstance(family, Brought):
        lanes = min(lanes, _enough(len(family.tasks)))
    return Shape(lanes, 1 if lanes == 1 else steps * lanes, _batch_rows(family, lanes))


def narrow(asked: int, family: Family, devices: tuple[Any, ...]) -> bool:
    """Halve the lanes of a family for the rest of this process; false where there is one already."""
    lanes = shape(asked, family, devices).lanes
    _narrower[_key(asked, family)] = max(1, lanes // 2)
    return lanes > 1


def check_memory(sweep: Sweep, device: Any) -> None:
    """Refuse datasets that are larger than the memory of a device: that is known before anything is computed.

    Raises:
        ValueError: a dataset of one of the points is.
    """
    limit = memory(device)
    for model in _largest_models(sweep):
        size = dataset_bytes(model)
        if limit is not None and size > limit:
            integers = [f"{name} = {value}" for name, value in asdict(model).items() if type(value) is int]
            what = f"one dataset with {', '.join(integers)} takes {size / 2**30:.3g} GiB"
            raise ValueError(f"{what}, and this process may use {limit / 2**30:.3g} GiB; give smaller numbers")


def out_of_memory(error: Exception) -> bool:
    """Whether a device ran out of memory, in the words of XLA or of one of its libraries."""
    text = str(error)
    return any(words in text for words in ("RESOURCE_EXHAUSTED", "OUT_OF_MEMORY", "ALLOC_FAILED", "out of memory"))


def lost(error: BaseException) -> bool:
    """Whether a device is of no more use to this process, in the words of CUDA: every later call would fail, too."""
    text = str(error)
    return any(words in text for words in DEATHS)


_narrower: dict[Any, int] = {}


def _key(asked: int, family: Family) -> Any:
    task = compiled(family.tasks[0])
    return asked, jax.tree.structure((task.model, task.solver)), len(task.times)


def _fitting(family: Family, slot_bytes: int, device: Any) -> int:
    """Return the lanes of a device.

    They are as many as keep it busy, or stay in a CPU's cache; one on a CPU whose rows wait for stages of a solver.
    """
    if device.platform == "cpu":
        return 1 if compiled(family.tasks[0]).solver.stages else _power_of_two(CACHE // slot_bytes)
    limit = (device.memory_stats() or {}).get("bytes_limit", 2**33)
    elements = dataset_elements(compiled(family.tasks[0]).model)
    wanted = min(max(LANE_ELEMENTS // elements, FEWEST), MOST)
    return _power_of_two(min(wanted, int(SHARE * limit) // slot_bytes))


def _enough(count: int) -> int:
    """Return the power of `WIDER` that so many datasets fit into."""
    enough = 1
    while enough < count:
        enough *= WIDER
    return enough


def _power_of_two(count: int) -> int:
    """Return the largest power of two up to a count, at least 1."""
    return 1 << max(1, count).bit_length() - 1


def _batch_rows(family: Family, lanes: int) -> int:
    """Return the rows that enter in one call, few enough to interrupt."""
    task = compiled(family.tasks[0])
    elements = dataset_elements(task.model) * effort(task.solver, task.times)
    if isinstance(family, Brought):
        most = min(CALLS * lanes, _enough(len(family.tasks)))
        return most if lanes > 1 else max(1, min(COPIES, COPIED // elements))
    if lanes > 1:
        fitting = min(MOST_AT_ONCE, BATCH_ELEMENTS // (elements + CURVES * len(task.times)))
        return max(CALLS * lanes, 0 if task.solver.stages else fitting)
    fitting = max(BATCH_ELEMENTS // elements, min(LARGE, LARGE * BATCH_ELEMENTS // elements))
    return max(1, min(MOST_PER_BATCH, fitting))


@lru_cache(maxsize=1024)
def _steps_and_bytes(task: Task) -> tuple[int, int]:
    """Return the steps of a row, to enter and to leave among them, and the bytes of its slot where it is not alone."""
    row = Row(task.model, task.solver, np.uint32(0), np.uint32(0))
    with settled():
        times, always = jnp.asarray(task.times, dtype=jnp.float64), jnp.asarray(True)
        steps = len(Kernel(task.solver, times, {}, None, always, keeps_view=False, model=task.model).stages) + 2

        def enter(row: Row) -> Any:
            return Kernel(row.solver, times, {}, None, always, keeps_view=False, model=task.model).enter(row)

        slot = jax.eval_shape(enter, row)
    return steps, sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(slot))


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
    for point in dict.fromkeys(map(picker(axis.names, names), axis.points)):
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
    with settled():
        counted = operations(jax.grad(model.training_loss), *_shapes(model))
    return max(elements, counted.products // PRODUCTS, counted.others // OTHERS)


def dataset_elements(model: Any) -> int:
    """Return how many numbers one dataset of a model holds."""
    return max(sum(leaf.size for leaf in _leaves(model)), 1)


def dataset_bytes(model: Any) -> int:
    """Return how many bytes one dataset of a model takes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in _leaves(model))


@lru_cache(maxsize=1024)
def _leaves(model: Any) -> list[Any]:
    with settled():
        return jax.tree.leaves(_shapes(model, start=False)[1])


def _shapes(model: Any, *, start: bool = True) -> tuple[Any, Any]:
    """Return the shapes of the parameters at t = 0, if asked for, and of a dataset."""

    def drawn(seed: Any) -> tuple[Any, Any]:
        keys = realization_keys(model, seed, seed)
        data = model.sample(keys.data)
        return jax.tree.map(jnp.asarray, model.init(keys.init, data)) if start else None, data

    return jax.eval_shape(drawn, jax.ShapeDtypeStruct((), "uint32"))


def effort(solver: Any, times: tuple[float, ...]) -> int:
    """Return how much longer a training takes than one of the usual length: it tells where many steps are taken."""
    walks = solver.clock == "step" and getattr(solver, "needs", "") == "training_loss"
    return max(1, int(times[-1]) // STEPS) if walks else 1
