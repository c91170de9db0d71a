"""Which program computes a task: its own, or that of a wider model, which several tasks share."""

import dataclasses
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sweepjax.engine.drawing import Row
from sweepjax.keys import fingerprint, realization_keys
from sweepjax.sweep.contract import wrong
from sweepjax.types import Family, Task, field_types


def compiled(task: Task) -> Task:
    """Return the task whose program computes a task: of a model as wide as that says, if its solver can leave out."""
    width = _width(task)
    return task if width is None else dataclasses.replace(task, model=_widened(task.model, width))


def rows_of(family: Family, index: np.ndarray) -> Row:
    """Return what these rows of a family are computed from [r]."""
    count, task = len(family.tasks), family.tasks[0]
    model, solver, seed = jax.tree.map(lambda values: values[index % count], family.stacked)
    realization = (index // count).astype(np.uint32)
    width = _width(task)
    if width is None:
        return Row(model, solver, seed, realization)
    same = np.ones(len(index), dtype=np.uint32)
    used = (same * getattr(task.model, task.model.padded)).astype(np.int32)
    return Row(_widened(model, width), solver, seed, realization, same * np.uint32(fingerprint(task.model)), used)


def check_padding(task: Task) -> None:
    """Refuse a model whose padded dataset is not its own dataset and zeros; one dataset is drawn both ways.

    Raises:
        ValueError: the message says where, and what is wanted.
    """
    cls, width = type(task.model), _width(task)
    if width is None:
        return
    if field_types(cls).get(cls.padded) is not int:
        raise wrong(cls, f"padded of {cls.__name__} is {cls.padded!r}; name one of its integer fields")
    field, own = cls.padded, getattr(task.model, cls.padded)
    if not (isinstance(width, int) and width >= own):
        raise wrong(cls.width, f"{cls.__name__}.width returns {width!r} where {field} is {own}; return as much or more")
    if "used" not in inspect.signature(cls.sample).parameters:
        raise wrong(cls.sample, f"{cls.__name__}.sample takes no `used`; {_wanted(field)}")
    key = realization_keys(task.model, np.uint32(0), np.uint32(0)).data
    pair = task.model.sample(key), _widened(task.model, width).sample(key, used=jnp.int32(own))
    if not all(map(_is_padded, *map(jax.tree.leaves, pair))):
        raise wrong(cls.sample, f"{cls.__name__}.sample draws another dataset with `used`; {_wanted(field)}")


def _wanted(field: str) -> str:
    return f"write sample(self, key, used=None), whose dataset is that of a model with {field} = used, then zeros"


def _is_padded(own: Any, wide: Any) -> bool:
    """Whether an array is another one with zeros around it."""
    block = np.asarray(wide)[tuple(slice(length) for length in np.shape(own))]
    return np.array_equal(block, own) and np.count_nonzero(wide) == np.count_nonzero(own)


def _width(task: Task) -> int | None:
    """Return the width of the model of a task; None where it is not padded."""
    model = task.model
    # Observables know nothing of columns that are left out.
    if task.observables or not (hasattr(model, "padded") and getattr(task.solver, "pads", False)):
        return None
    return model.width()


def _widened(model: Any, width: int) -> Any:
    return dataclasses.replace(model, **{model.padded: width})
