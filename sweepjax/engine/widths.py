"""Which program computes a task: its own, or that of a wider model, which several tasks share."""

import dataclasses
from typing import Any

import jax
import numpy as np

from sweepjax.engine.kernel import Row
from sweepjax.keys import fingerprint
from sweepjax.types import Family, Task


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


def _width(task: Task) -> int | None:
    """Return the width of the model of a task; None where it is not padded."""
    model = task.model
    # Observables know nothing of columns that are left out.
    if task.observables or not (hasattr(model, "padded") and getattr(task.solver, "pads", False)):
        return None
    return model.width()


def _widened(model: Any, width: int) -> Any:
    return dataclasses.replace(model, **{model.padded: width})
