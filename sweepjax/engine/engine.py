"""The only map, jit, precision switch and device placement.

A chunk is computed in equal batches, each one call of one compiled program, which maps over its rows with
a fixed number of lanes in flight. The device that is done first takes the next batch: one program over
several devices would have each wait for the slowest, and draws near a transition differ much.
"""

import dataclasses
import inspect
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, UInt32
from threadpoolctl import threadpool_limits

from sweepjax.columns import join
from sweepjax.engine.dealing import dealt
from sweepjax.engine.devices import cores, devices
from sweepjax.engine.rows import model_of
from sweepjax.engine.sizes import ELEMENTS, dataset_elements, effort
from sweepjax.keys import Keys, realization_keys
from sweepjax.plugins import find
from sweepjax.types import Chunk, Columns, Family, Problem

BATCH_ELEMENTS = 3 * 10**6  # numbers of data of a batch, enough to make calling it cost nothing
MOST_PER_BATCH = 32
LARGE = 8  # rows of a batch that may exceed it as often: each call maps its working memory anew, page by page
COMPILERS = 2  # programs compiled at once at most
BYTES_PER_NUMBER = 64  # of a lane's working memory, over its dataset's float32 numbers

PATH = "_path"  # among the measured columns: the parameters themselves, for observables
Watch = Callable[[str, int], None]  # ("compiling", 0), ("computing", 0), ("rows", how many more are done)


class Row(NamedTuple):
    """What one lane starts from; `wanted` is false for the padding of a last batch."""

    model: Any
    solver: Any
    seed: UInt32[ArrayLike, ""]
    realization: UInt32[ArrayLike, ""]
    wanted: Bool[ArrayLike, ""]


class Found(NamedTuple):
    """The columns of a row by what they are: once a row, the clock, at each recorded time, of the solver."""

    facts: Columns
    clock: Columns
    curves: Columns
    info: Columns


@dataclasses.dataclass(frozen=True)
class Engine:
    """Where and how wide to compute: a device kind ("" for JAX's own choice), lanes per device (0: automatic)."""

    device: str = ""
    lanes: int = 0

    @property
    def devices(self) -> tuple[Any, ...]:
        """The devices of this process."""
        return devices(self.device)

    def compute(self, chunk: Chunk, watch: Watch = lambda what, rows: None) -> Columns:
        """Return the columns of a chunk [r ...]; `watch` is told of compilations, and of rows as they are done.

        Where a batch does not fit the device's memory it is halved.
        """
        lanes = self.width(chunk.family)
        while True:
            try:
                # Devices share the cores already: a second layer of threads in LAPACK only waits for them.
                with threadpool_limits(1, user_api="blas"):
                    return self._compute(chunk, lanes, watch)
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error) or lanes == 1:
                    raise
                lanes //= 2

    def _compute(self, chunk: Chunk, lanes: int, watch: Watch) -> Columns:
        size = self.batch_rows(chunk.family, lanes)
        starts = range(chunk.start, chunk.stop, size)
        hands = [(device, self.program(chunk.family, lanes, watch, device)) for device in self.hands]

        def batch(hand: tuple[Any, Any], start: int) -> Found:
            device, program = hand
            return jax.device_get(program(*self.arguments(chunk, start, lanes, device)))

        parts: dict[int, Found] = {}
        with closing(dealt(batch, hands, starts)) as done:
            for place, columns in done:
                parts[place] = columns
                watch("rows", min(size, chunk.stop - starts[place]))
        return join([parts[place] for place in range(len(starts))], chunk)

    @property
    def hands(self) -> tuple[Any, ...]:
        """The device of each batch in flight.

        A CPU's devices are all the same cores, and share the program of the first; another has its next batch waiting.
        """
        first = self.devices[0]
        return (first,) * len(self.devices) if first.platform == "cpu" else 2 * self.devices

    def width(self, family: Family) -> int:
        """Return the lanes in flight per device: one on a CPU, where the dataset stays in cache.

        Elsewhere as many as fit, but no more than share one chunk of the default size.
        """
        if self.lanes:
            return self.lanes
        if self.devices[0].platform == "cpu":
            return 1
        limit = (self.devices[0].memory_stats() or {}).get("bytes_limit", 2**33)
        size = dataset_elements(family.tasks[0].model)
        return max(1, min(limit // (BYTES_PER_NUMBER * size), ELEMENTS // (size * len(self.devices)), 4096))

    def batch_rows(self, family: Family, lanes: int) -> int:
        """Return the rows of one call: a multiple of the lanes, small enough to interrupt."""
        task = family.tasks[0]
        elements = dataset_elements(task.model) * effort(task.solver, task.times)
        fitting = max(BATCH_ELEMENTS // elements, min(LARGE, LARGE * BATCH_ELEMENTS // elements))
        return lanes * max(1, min(MOST_PER_BATCH, fitting) // lanes)

    def program(self, family: Family, lanes: int, watch: Watch = lambda what, rows: None, device: Any = None) -> Any:
        """Return the program of a family's batches, compiled for one device, by default the first.

        Families of one shape share it.
        """
        compiled = self._compiled(family, lanes, device or self.devices[0])
        if not compiled.done():
            watch("compiling", 0)
            wait([compiled])
            watch("computing", 0)
        return compiled.result()

    def prepare(self, family: Family) -> None:
        """Begin to compile what a family needs, beside whatever is computed meanwhile."""
        for device in set(self.hands):
            self._compiled(family, self.width(family), device)

    def _compiled(self, family: Family, lanes: int, device: Any) -> Future[Any]:
        """Return the program, or the promise of it; what failed before is tried again."""
        arguments = self.arguments(Chunk(family, 0, 1), 0, lanes, device)
        observables = family.tasks[0].observables
        leaves, structure = jax.tree.flatten(arguments)
        shape = device, lanes, observables, structure, *(leaf.shape for leaf in leaves)
        before = self._programs.get(shape)
        if not before or (before.done() and before.exception()):
            self._programs[shape] = self._compilers.submit(_compile, lanes, observables, arguments)
        return self._programs[shape]

    def lower(self, family: Family, platform: str) -> Any:
        """Return a family's program lowered for a platform such as "cuda", which need not be here."""
        lanes = self.width(family)
        arguments = self.arguments(Chunk(family, 0, 1), 0, lanes, self.devices[0])
        with jax.enable_x64(True):
            return _mapped(lanes, family.tasks[0].observables).trace(*arguments).lower(lowering_platforms=(platform,))

    @cached_property
    def _programs(self) -> dict[Any, Future[Any]]:
        return {}

    @cached_property
    def _compilers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(min(COMPILERS, cores()))

    def arguments(self, chunk: Chunk, start: int, lanes: int, device: Any) -> tuple[Row, Array]:
        """Return what the program takes for the batch that begins with row `start`, on a device."""
        index = start + np.arange(self.batch_rows(chunk.family, lanes))
        rows, times = _rows(chunk, index), np.asarray(chunk.family.tasks[0].times, dtype=np.float64)
        with jax.enable_x64(True):
            return jax.device_put((rows, times), device)


def realization(row: Row, times: Array, observables: tuple[str, ...] = ()) -> Found:
    """Compute one row: draw the dataset, train it, say what was found."""
    keys = realization_keys(row.model, row.seed, row.realization)
    data = drawn(row.model, keys, row.wanted)
    problem = Problem(row.model, data, _starting(row.model, keys, data), keys.batches)

    def measure(params: Any) -> Columns:
        return OrderedDict(row.model.metrics(params, data) | ({PATH: params} if observables else {}))

    state = row.solver.init(problem)
    state, record = row.solver.solve(problem, state, times, measure)
    path, clock = record.pop(PATH, None), _clock(row.solver, times)
    seen = {name.rpartition(":")[2]: _observed(name, problem, path, clock) for name in observables}
    # An OrderedDict keeps its order through compiled code; a dict comes back sorted.
    found = facts_of(problem), clock, {**record, **seen}, row.solver.info(problem, state)
    return Found(*map(OrderedDict, found))


def outline(family: Family) -> Found:
    """Return the shape and type of each column of a row; nothing is computed and no device is looked for.

    Raises:
        ValueError: an observable does not fit the model or the solver.
    """
    task = family.tasks[0]
    row = jax.tree.map(lambda leaf: leaf[0], _rows(Chunk(family, 0, 1), np.arange(1)))
    with jax.enable_x64(True):
        return jax.eval_shape(partial(realization, observables=task.observables), row, np.asarray(task.times))


def _starting(model: Any, keys: Keys, data: Any) -> Any:
    """Return the parameters at t = 0 as arrays, whatever numbers the model makes them of."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.asarray(leaf).dtype), model.init(keys.init, data))


def facts_of(problem: Problem) -> Columns:
    """Return what a model says once a row; it may say nothing, or look at the data only."""
    facts = getattr(problem.model, "facts", None)
    if facts is None:
        return {}
    looks = len(inspect.signature(facts).parameters)
    return facts(problem.data, problem.start) if looks > 1 else facts(problem.data)


def _clock(solver: Any, times: Array) -> Columns:
    """Return the columns that say when: the time of the flow, and the step where there are steps."""
    if solver.clock != "step":
        return {} if solver.clock == "none" else {"time": times}
    rate = getattr(solver, "learning_rate", None)
    return ({} if rate is None else {"time": rate * times}) | {"step": times.astype(jnp.int64)}


def _observed(name: str, problem: Problem, path: Any, clock: Columns) -> Array:
    """Return what an observable makes of the recorded path; it is given the times if it asks for them."""
    observable = find("observables", name)
    asks = "times" in inspect.signature(observable).parameters
    if asks and "time" not in clock:
        raise ValueError(
            f"observable {name!r} needs times, which a solver with steps has only with a learning_rate; leave it out"
        )
    return observable(problem.model, problem.data, path, **({"times": clock["time"]} if asks else {}))


def drawn(model: Any, keys: Keys, wanted: Bool[ArrayLike, ""]) -> Any:
    """Draw a dataset if it is wanted, the same bits whatever is computed from it.

    The compiler fuses nothing into or out of a branch; an optimization barrier it drops too early on a CPU.
    """
    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(model.sample, keys.data))
    return lax.cond(wanted, model.sample, lambda key: empty, keys.data)


def dataset(row: Any) -> Any:
    """Draw the dataset of a row again.

    Args:
        row: anything with the columns of a row as items: a line of a DataFrame, or a dict.

    Raises:
        ValueError: columns that the dataset depends on are missing.
    """
    devices("")
    model = model_of(row)
    with jax.enable_x64(True):
        keys = realization_keys(model, np.uint32(row["seed"]), np.uint32(row["realization"]))
        return jax.jit(drawn)(model, keys, True)


def _mapped(lanes: int, observables: tuple[str, ...]) -> Any:
    """Return the jitted map of `realization` over rows, `lanes` at a time."""
    compute = partial(realization, observables=observables)

    def one(row: Row, times: Array) -> Found:
        absent = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(compute, row, times))
        return lax.cond(row.wanted, compute, lambda row, times: absent, row, times)

    def batch(rows: Row, times: Array) -> Found:
        return lax.map(lambda row: one(row, times), rows, batch_size=lanes if lanes > 1 else None)

    return jax.jit(batch)


def _compile(lanes: int, observables: tuple[str, ...], arguments: tuple[Row, Array]) -> Any:
    with jax.enable_x64(True):
        return _mapped(lanes, observables).lower(*arguments).compile()


def _rows(chunk: Chunk, index: np.ndarray) -> Row:
    realization, which = np.divmod(index, len(chunk.family.tasks))
    model, solver, seed = jax.tree.map(lambda values: values[which], chunk.family.stacked)
    return Row(model, solver, seed.astype(np.uint32), realization.astype(np.uint32), index < chunk.stop)


def provenance(engine: Engine) -> dict[str, str]:
    """Return what a row's value may depend on besides the code: devices and precision."""
    return {
        "device": engine.devices[0].device_kind,
        "devices": str(len(engine.devices)),
        "lanes": str(engine.lanes or "auto"),
        "matmul_precision": str(jax.config.values.get("jax_default_matmul_precision") or "default"),
    }
