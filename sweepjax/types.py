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
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar, dataclass_transform, get_type_hints

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from sweepjax.identity import digest_of_each, folded

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
    rules_out: str = ""  # the method of the model that exists only at this field's default

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

    Figures call the field by its `symbol`, and its values by their `words`.
    """
    metadata = {"allowed": Allowed(**allowed), "symbol": symbol, "words": words or {}}
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


class Model(Protocol):
    """A system that can be drawn and trained; everything is written for one realization.

    A model may declare more as class variables, which whoever reads its rows looks up: `figures`, the names of those
    whose theory is its own, the usual one first; `is_symmetric`, whether its rows are as likely as their opposites.
    """

    def sample(self, key: Key[Array, ""]) -> Data:
        """Draw one dataset; every dtype is written out."""
        ...

    def init(self, key: Key[Array, ""], data: Data) -> Params:
        """Return the parameters at t = 0."""
        ...

    def training_loss(self, params: Params, data: Data, batch: Any = None) -> Float[Array, ""]:
        """Return the training loss, on the samples `batch` if given."""
        ...

    def metrics(self, params: Params, data: Data) -> Columns:
        """Return scalars measured at each recorded time."""
        ...


class Abilities(Protocol):
    """What a model may have besides; a solver that needs one of these says so in `needs`."""

    def facts(self, data: Data, start: Params) -> Columns:
        """Return scalars and vectors of the dataset and the parameters at t = 0, once a row."""
        ...

    def batch(self, key: Key[Array, ""], data: Data, size: int) -> Any:
        """Draw what `training_loss` takes as its batch of so many samples."""
        ...

    def velocity(self, params: Params, data: Data, time: Float[Array, ""]) -> Params:
        """Return dθ/dt of a flow that is not -∇L."""
        ...

    def signed_rows(self, data: Data) -> Float[Array, "n d"]:
        """Return the rows z_i of the asymptotic loss Σ exp(z_i·S)."""
        ...

    def limits(self) -> dict[str, float]:
        """Return what columns tend to as n → ∞ and t → ∞, in almost every draw."""
        ...

    def absolute(self, relative: float) -> dict[str, float]:
        """Return how far columns that pass through 0 or jump may be apart, where trainings agree to `relative`."""
        ...

    def prepare(self, start: Params, data: Data) -> Any:
        """Return what `solution` needs for all times."""
        ...

    def solution(self, prepared: Any, time: Float[Array, ""]) -> Params:
        """Return the parameters of the gradient flow at one time, in closed form."""
        ...


class Problem(NamedTuple):
    """What a solver is given: one realization of one model."""

    model: Any
    data: Data
    start: Params
    key: Key[Array, ""]
    view: Any = None


Stage = Callable[[Problem, State, Float[Array, ""]], State]  # (problem, state, until) -> state


class Solver(Protocol):
    """A way from t = 0 to the recorded times, cut into stages of bounded and nearly equal work.

    A row waits for one stage at a time. Many rows that wait for the same one go through it side by side, so that a
    stage has no loop whose length depends much on the row, and no branch of which most rows need one side only.

    Law: the steps that a row takes are the same whatever times are recorded.

    A solver may declare more as class variables: `at_once`, how many recorded times a state has typically reached by
    the time it has reached one; `effort`, the names of the columns that tell of its own work and are never compared;
    `agreement`, the relative difference up to which two trainings of one row are the same (1e-5 if it does not say);
    `figures`, as a model does; `claims`, what its columns say of sound rows; `absent`, what the column of a draw that
    lacks it stands for among other draws; `follows_gradient`, whether its trainings end where gradient flow does;
    `word`, its name in figures.
    """

    clock: ClassVar[Literal["time", "step", "none"]]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Return what a row may wait for: functions (problem, state, until) -> state."""
        ...

    def init(self, problem: Problem) -> State:
        """Return the state at t = 0; cheap."""
        ...

    def waits(self, state: State, until: Float[Array, ""]) -> Int[Array, ""]:
        """Return the stage that brings a state nearer to `until`; len(stages) where it is there, or goes no further."""
        ...

    def params(self, problem: Problem, state: State, time: Float[Array, ""]) -> Params:
        """Return the parameters at a time that the state has reached, or passed in its last step."""
        ...

    def info(self, problem: Problem, state: State) -> Columns:
        """Return what is said once a row: steps, convergence, certificates."""
        ...


class Viewing(Protocol):
    """What a solver may have besides."""

    def view(self, problem: Problem) -> Any:
        """Return the data as the stages read them; a row alone keeps it, others make it anew at every stage."""
        ...


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


class Observable(Protocol):
    """A quantity that is measured during the training, and perhaps completed after it."""

    def measure(self, problem: Problem, moment: Moment) -> Any:
        """Return what is kept of one recorded time: the quantity itself, or what `finish` needs of it."""
        ...


class Finishing(Protocol):
    """What an observable may have besides."""

    def finish(self, problem: Problem, trajectory: Trajectory) -> Array:
        """Return the column [t ...] of all recorded times, from what was kept of each."""
        ...

    def absolute(self, relative: float) -> float:
        """Return how far two values may be apart near 0, or where they count, if trainings agree to `relative`."""
        ...


@dataclass(frozen=True)
class Task:
    """One point of the phase diagram; its identity is the hash of its canonical JSON."""

    model: Any
    solver: Any
    seed: int = 0
    times: tuple[float, ...] = ()
    observables: tuple[str, ...] = ()


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
