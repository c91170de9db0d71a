"""One row, from its keys to its columns: pure functions of one realization, which the pool maps over its slots.

A row enters: its dataset is drawn. It waits for one stage of its solver after the other, is recorded at every time
that it reaches, and leaves. Between two stages it is a `Slot`: data and nothing else.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, UInt32

from sweepjax.engine.drawing import Row, apart, drawn, small_of, started, viewed, viewed_again
from sweepjax.engine.ending import begun, ending, unrecorded
from sweepjax.engine.facts import completed, fact_of, facts_of, unsought
from sweepjax.engine.looking import first_crossings, first_look, looked, recorded, watches
from sweepjax.keys import restored
from sweepjax.protocols import Observable
from sweepjax.sweep.stop import Stop
from sweepjax.types import Columns, Moment, Problem, Trajectory


class Slot(NamedTuple):
    """A row under way."""

    row: Row
    key: UInt32[Array, "2"]  # of the solver's own draws
    data: Any
    start: Any
    view: Any  # of the data; where that is not kept, the single numbers of it
    state: Any
    recorded: Int[Array, ""]  # how many of the times
    kept: Any  # the metrics, and what each observable keeps, at the recorded times [t ...]
    streak: Any = None  # of the last recorded times, at how many in a row the training was to end
    looks: Any = None  # between recorded times, at what may cross a threshold
    sought: Any = None  # the state of the model's own search for facts


class RowColumns(NamedTuple):
    """The columns of a row by what they are: once a row, the clock, at each recorded time, of the solver."""

    facts: Columns
    clock: Columns
    curves: Columns
    info: Columns


@dataclass(frozen=True)
class Kernel:
    """The life of a row.

    Args:
        solver: any solver of the program's rows; only its shape counts.
        times: those to record, in the solver's clock; none where it has no clock.
        observables: by the names of their columns.
        stop: what ends a training before its time, if anything does.
        always: true, in a way that the compiler does not know.
        keeps_view: whether a row keeps the solver's view of the data, or only the single numbers of it.
        model: any model of the program's rows; only its shape counts.
    """

    solver: Any
    times: Float[Array, " t"]
    observables: Mapping[str, Observable]
    stop: Stop | None
    always: Bool[Array, ""]
    keeps_view: bool
    model: Any = None

    @property
    def stages(self) -> tuple[Callable[[Slot], Slot], ...]:
        """What a row may wait for before it leaves.

        First the stages of its solver, to be recorded, and to be looked at; then those of its model's search.
        """
        own = tuple(_advancing(self, number) for number in range(len(self.solver.stages)))
        last = range(len(self._search.stages) if self._search else 0)
        return (*own, *self._seeing, *(_searching(self, number) for number in last))

    def enter(self, row: Row) -> Slot:
        """Draw the dataset and start the solver."""
        keys, data = row.keys, self.draw(row)
        start = apart(partial(started, row.model), self.always, keys.init, data)
        problem = Problem(row.model, data, start, keys.batches, used=row.used)
        view = viewed(row.solver, problem)
        state = row.solver.init(problem._replace(view=view))
        kept = view if self.keeps_view else small_of(view)
        key = jax.random.key_data(keys.batches)
        streak = jnp.int32(0) if self.stop else None
        looks = first_look(problem) if self._looks else None
        under = state, jnp.int32(0), self._nothing(problem), streak, looks, unsought(problem)
        return Slot(row, key, data, start, kept, *under)

    def draw(self, row: Row) -> Any:
        """Draw the dataset of a row."""
        return drawn(row.model, row.keys.data, self.always, row.used)

    def waits(self, slot: Slot) -> Int[Array, ""]:
        """Return which of the stages a row waits for; their number if it leaves."""
        solver, own = slot.row.solver, len(slot.row.solver.stages)
        after = own + len(self._seeing) + (self._search.waits(slot.sought, jnp.inf) if self._search else 0)
        stage = solver.waits(slot.state, self._until(slot))
        if not self.times.size:
            return jnp.where(stage < own, stage, after).astype(jnp.int32)
        if self._looks:
            # A look that is due comes before the record: it needs the state that has just reached it.
            seen = jnp.isfinite(slot.looks.due) & (solver.waits(slot.state, slot.looks.due) == own)
            stage = jnp.where(seen, own + 1, stage)
        goes_on = (slot.recorded < self.times.size) & ~self._ended(slot)
        return jnp.where(goes_on, stage, after).astype(jnp.int32)

    @property
    def _along(self) -> dict[str, Any]:
        """What is observed of the training."""
        return {name: each for name, each in self.observables.items() if not hasattr(each, "fact")}

    def record(self, slot: Slot) -> Slot:
        """Take the metrics at the next few times, as far as the state has reached them."""
        problem, due = self.problem(slot), slot.recorded + jnp.arange(self._block)
        times = self.times[jnp.minimum(due, self.times.size - 1)]
        reached = jax.vmap(lambda time: slot.row.solver.waits(slot.state, time))(times) == len(self.solver.stages)
        params = jax.vmap(partial(slot.row.solver.params, problem, slot.state))(times)
        seen = jax.vmap(partial(self._seen, problem))(params, times)
        write = partial(lax.dynamic_update_slice_in_dim, start_index=slot.recorded, axis=0)
        # What is not reached yet is overwritten later.
        slot = slot._replace(kept=jax.tree.map(write, slot.kept, seen))
        count = jnp.sum(jnp.cumprod((reached & (due < self.times.size)).astype(jnp.int32))).astype(jnp.int32)
        if self.stop:
            columns, kept = seen
            seen = clock_of(slot.row.solver, times) | columns | dict(zip(self._along, kept, strict=True))
            count, streak = ending(self.stop, slot.streak, seen, count)
            slot = slot._replace(streak=streak)
        if self._looks:
            found = jax.vmap(lambda each: problem.model.crossings(each, problem.data))(params)
            slot = slot._replace(looks=recorded(slot.looks, found, times, due < slot.recorded + count))
        return slot._replace(recorded=slot.recorded + count)

    def look(self, slot: Slot) -> Slot:
        """See what has crossed its threshold by the time of the look that is due."""
        problem, due = self.problem(slot), slot.looks.due
        params = slot.row.solver.params(problem, slot.state, due)
        return slot._replace(looks=looked(slot.looks, problem, params, slot.row.solver.clock, self.times))

    def leave(self, slot: Slot) -> RowColumns:
        """Return the columns of a row that is finished."""
        problem, solver = self.problem(slot), slot.row.solver
        clock = clock_of(solver, self.times)
        columns, kept = jax.tree.map(lambda leaf: leaf[: self.times.size], slot.kept)
        # What an observable makes of all times must not depend on those after the end.
        columns, kept = unrecorded((columns, kept), slot.recorded) if self.stop else (columns, kept)
        curves = OrderedDict(columns)
        for (name, observable), values in zip(self._along.items(), kept, strict=True):
            curves[name] = completed(observable, problem, Trajectory(clock, columns, values))
        once = {name: each for name, each in self.observables.items() if name not in self._along}
        facts, info = OrderedDict(facts_of(problem, slot.sought)), OrderedDict(solver.info(problem, slot.state))
        facts |= first_crossings(slot.looks, solver.clock) if self._looks else {}
        facts |= {name: fact_of(each, problem, self.always) for name, each in once.items()}
        if self.stop:
            clock, curves = (begun(columns, slot.recorded) for columns in (clock, curves))
            info["stopped"] = self._ended(slot)
        return RowColumns(facts, clock, curves, info)

    def _ended(self, slot: Slot) -> Bool[Array, ""]:
        """Whether a training has ended before its time."""
        return slot.streak >= self.stop.last if self.stop else jnp.zeros((), dtype=bool)

    @property
    def _block(self) -> int:
        """How many times are recorded side by side: about as many as one step passes."""
        return min(getattr(self.solver, "at_once", 1), self.times.size)

    @property
    def _search(self) -> Any:
        return getattr(self.model, "search", None)

    @property
    def _seeing(self) -> tuple[Callable[[Slot], Slot], ...]:
        return (self.record, *[self.look] * self._looks) if self.times.size else ()

    @property
    def _looks(self) -> bool:
        return watches(self.model) and self.times.size > 0

    def _until(self, slot: Slot) -> Float[Array, ""]:
        if not self.times.size:
            return jnp.float64(jnp.inf)
        until = self.times[jnp.minimum(slot.recorded, self.times.size - 1)]
        return jnp.minimum(until, slot.looks.due) if self._looks else until

    def _seen(self, problem: Problem, params: Any, time: Float[Array, ""]) -> tuple[Columns, list[Any]]:
        """Return the metrics of one moment, and what each observable keeps of it."""
        columns = OrderedDict(problem.model.metrics(params, problem.data))
        moment = Moment(time, params, columns)
        return columns, [observable.measure(problem, moment) for observable in self._along.values()]

    def problem(self, slot: Slot) -> Problem:
        """Return what the solver of a row is given."""
        problem = Problem(slot.row.model, slot.data, slot.start, restored(slot.key), slot.view, slot.row.used)
        again = partial(viewed_again, slot.row.solver, problem, slot.view)
        return problem if self.keeps_view else problem._replace(view=again())

    def _nothing(self, problem: Problem) -> Any:
        """Return room for what is kept: a block more than is recorded, since blocks are written whole."""
        if not self.times.size:
            return OrderedDict(), []
        one = jax.eval_shape(self._seen, problem, problem.start, self.times[0])
        return jax.tree.map(lambda leaf: jnp.zeros((self.times.size + self._block, *leaf.shape), leaf.dtype), one)


def _advancing(kernel: Kernel, number: int) -> Callable[[Slot], Slot]:
    """Return a stage of the solver as a function of the slot."""

    def advance(slot: Slot) -> Slot:
        stage = slot.row.solver.stages[number]
        return slot._replace(state=stage(kernel.problem(slot), slot.state, kernel._until(slot)))

    return advance


def _searching(kernel: Kernel, number: int) -> Callable[[Slot], Slot]:
    """Return a stage of the model's search as a function of the slot."""

    def search(slot: Slot) -> Slot:
        stage = slot.row.model.search.stages[number]
        return slot._replace(sought=stage(kernel.problem(slot), slot.sought, jnp.float64(jnp.inf)))

    return search


def clock_of(solver: Any, times: Float[Array, " t"]) -> Columns:
    """Return the columns that say when: the time of the flow, and the step where there are steps."""
    if solver.clock != "step":
        return OrderedDict() if solver.clock == "none" else OrderedDict(time=times)
    rate = getattr(solver, "learning_rate", None)
    steps = OrderedDict(step=times.astype(jnp.int64))
    return steps if rate is None else OrderedDict(time=rate * times) | steps
