"""The core types: what is configured is a frozen dataclass, what moves is a named tuple of arrays.

Axis letters of every shape: r realizations, n samples, d features, t recorded times.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral, Real
from typing import Any, NamedTuple, TypeVar, dataclass_transform, get_type_hints

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from sweepjax.identity import WHERE_USED, digest_of_each, folded

Columns = dict[str, Any]
Data = Any
Params = Any
State = Any
Plugin = TypeVar("Plugin")

KINDS: dict[Any, Any] = {int: Integral, float: Real, bool: bool, str: str}  # of fields: what their defaults are
TYPES = "__sweepjax_types__"  # where a plug-in keeps the types of its fields


@dataclass(frozen=True)
class Allowed:
    """The values a field may take: one check at the border serves every plug-in."""

    above: float | int | None = None
    at_least: float | int | None = None
    below: float | int | None = None
    at_most: float | int | None = None
    choices: tuple[Any, ...] = ()
    draws: bool = True  # False: this text field does not change how a dataset is drawn
    rules_out: tuple[str, ...] = ()  # the methods of the model that exist only at this field's default

    def admits(self, value: float | int | str) -> bool:
        """Whether `value` is one of the choices, if there are any, and a number lies within the bounds."""
        if self.choices or isinstance(value, str):
            return not self.choices or value in self.choices
        return (
            (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )

    def __str__(self) -> str:
        if self.choices:
            return "one of: " + ", ".join(map(str, self.choices))
        names = ("above", "at_least", "below", "at_most")
        bounds = ((name.replace("_", " "), getattr(self, name)) for name in names)
        return " and ".join(f"{name} {bound:.12g}" for name, bound in bounds if bound is not None)


def parameter(default: Any, *, symbol: str = "", words: Mapping[str, str] | None = None, **allowed: Any) -> Any:
    """Declare a field of a plug-in with the values it may take, as in `parameter(1.0, above=0)`.

    Args:
        default: its type, int, float, bool or str, is that of the field.
        symbol: what figures call the field.
        words: what figures call its values, where that is not the values themselves.
        **allowed: bounds `above`, `at_least`, `below`, `at_most`; `choices`, a tuple of all values; `draws=False` for a
            text that does not change how a dataset is drawn; `rules_out`, the methods of a model that exist only at
            the default; `later=True` for a field that earlier versions did not have: sweeps that leave it at its
            default keep their identity.

    Raises:
        TypeError: none of these has that name.
    """
    used = WHERE_USED if allowed.pop("later", False) else {}
    metadata = {"allowed": Allowed(**allowed), "symbol": symbol, "words": words or {}, **used}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass_transform(frozen_default=True, field_specifiers=(parameter, dataclasses.field))
def plugin(cls: type[Plugin]) -> type[Plugin]:
    """Make `cls` a frozen dataclass and a pytree: float fields are leaves, all others static shape.

    Raises:
        ValueError: a field is of another type, or has a default that is not allowed.
    """
    cls = dataclass(frozen=True)(cls)
    types = _types(cls)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        _check_field(cls.__name__, field, types[field.name])
    setattr(cls, TYPES, types)
    return jax.tree_util.register_dataclass(
        cls,
        data_fields=[name for name, kind in types.items() if kind is float],
        meta_fields=[name for name, kind in types.items() if kind is not float],
    )


def field_types(cls: type) -> dict[str, type]:
    """Return the type of each field of a plug-in; none of a class that is no plug-in itself, such as a subclass."""
    return vars(cls).get(TYPES, {})


def is_plugin(cls: Any) -> bool:
    """Whether a class itself, not only its base, was made a plug-in."""
    return isinstance(cls, type) and TYPES in vars(cls)


def _types(cls: type) -> dict[str, Any]:
    """Return the type of each field, also where annotations are texts."""
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    try:
        hints = get_type_hints(cls) if any(isinstance(field.type, str) for field in fields) else {}
    except NameError as error:
        raise ValueError(f"the types of the fields of {cls.__name__} cannot be read ({error})") from None
    return {field.name: hints.get(field.name, field.type) for field in fields}


def _check_field(owner: str, field: dataclasses.Field, kind: Any) -> None:
    """Refuse a type that cannot be an axis, and a default that is not of this type or not allowed."""
    what, default = f"field {field.name!r} of {owner}", field.default
    if kind not in KINDS:
        shown = getattr(kind, "__name__", str(kind)) if isinstance(kind, type) else str(kind)
        raise ValueError(
            f"{what} has the type {shown}; give it int, float, bool or str, or make it a ClassVar that never varies"
        )
    if default is dataclasses.MISSING:
        return
    if not isinstance(default, KINDS[kind]) or (kind is not bool and isinstance(default, bool)):
        raise ValueError(f"{what} has the type {kind.__name__}, and its default is {default!r}; change one of them")
    if kind is float and not math.isfinite(default):
        raise ValueError(f"{what} has the default {default!r}; give a finite number")
    allowed = field.metadata.get("allowed", Allowed())
    if not allowed.admits(default):
        raise ValueError(f"{what} has the default {default!r}, which is not allowed; give {allowed}")


class Claim(NamedTuple):
    """What a column says of every sound row: this truth value, or a number up to this one where it is certified."""

    column: str
    allowed: bool | float
    sentence: str
    quantity: str = ""  # what the number is


class Problem(NamedTuple):
    """What a solver is given: one realization of one model."""

    model: Any
    data: Data
    start: Params
    key: Key[Array, ""]
    view: Any = None
    used: Any = None  # the true value of the model's padded field, where the data are padded


Stage = Callable[[Problem, State, Float[Array, ""]], State]  # (problem, state, until) -> state


class Moment(NamedTuple):
    """A training at one recorded time: that time, in the solver's clock, parameters and metrics."""

    time: Float[Array, ""]
    params: Params
    columns: Columns


class Trajectory(NamedTuple):
    """A training at all recorded times: the clock's columns, the metrics, and what an observable kept [t ...]."""

    clock: Columns
    columns: Columns
    kept: Any


@dataclass(frozen=True)
class Task:
    """One point of the phase diagram; its identity is the hash of its canonical JSON."""

    model: Any
    solver: Any
    seed: int = 0
    times: tuple[float, ...] = ()
    observables: tuple[str, ...] = ()
    stop: str = dataclasses.field(default="", metadata=WHERE_USED)  # when it ends before its time


class Stacked(NamedTuple):
    """The tasks of a family as one: its float fields and seeds are arrays [tasks]."""

    model: Any
    solver: Any
    seed: np.ndarray


@dataclass(frozen=True)
class Family:
    """Tasks equal but for float fields and seed: one compiled program."""

    tasks: tuple[Task, ...]

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits that name this family's files: the digest of what its tasks are."""
        return digest_of_each(self.tasks)

    @cached_property
    def description(self) -> str:
        """The JSON of what describes the tasks, as `folded` says it."""
        return json.dumps(folded(self.tasks))

    @cached_property
    def stacked(self) -> Stacked:
        """The tasks as arrays, made once: a family may have 10^6 of them."""
        plug_ins = [(task.model, task.solver) for task in self.tasks]
        columns = zip(*map(jax.tree.leaves, plug_ins), strict=True)
        leaves = [np.array(values, dtype=np.float64) for values in columns]
        model, solver = jax.tree.unflatten(jax.tree.structure(plug_ins[0]), leaves)
        return Stacked(model, solver, np.array([task.seed for task in self.tasks], dtype=np.int64))


@dataclass(frozen=True)
class Chunk:
    """Rows start to stop of a family: row i is realization i // len(tasks) of task i % len(tasks)."""

    family: Family
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many realizations the chunk holds."""
        return self.stop - self.start
