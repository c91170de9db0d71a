"""Columns have one shape in all rows of a run, so that these are one table."""

from contextlib import suppress

import jax

from sweepjax.engine.engine import outline
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Family


def check_shapes(sweep: Sweep) -> None:
    """Refuse a sweep in which a column has another shape at its second point, or at its last, than at its first.

    Raises:
        ValueError: there is one; the message says which, and at which points.
    """
    last = sweep.family_count - 1
    first, *others = (sweep.family(index) for index in sorted({0, min(1, last), last}))
    known = _shapes(first)
    for family in others:
        found = known
        with suppress(Exception):  # what fails at another point alone is told of its chunk
            found = _shapes(family)
        for name, shape in found.items():
            if name in known and shape != known[name]:
                pair = f"{known[name]} at {_point(first, family)} and {shape} at {_point(family, first)}"
                raise ValueError(f"{name} has the shape {pair}, and a column of one run has one; run them apart")


def _shapes(family: Family) -> dict[str, list[int]]:
    found = outline(family)
    columns = found.facts | found.clock | found.curves | found.info
    return {name: [*jax.tree.leaves(leaf)[0].shape] for name, leaf in columns.items()}


def _point(family: Family, other: Family) -> str:
    """Return the fields in which a family differs from another, with its values."""
    mine, others = ({**vars(each.tasks[0].model), **vars(each.tasks[0].solver)} for each in (family, other))
    return ", ".join(f"{name} = {value}" for name, value in mine.items() if others.get(name) != value)
