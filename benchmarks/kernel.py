"""Our side: the bare kernels on given data, dealt to the devices as the engine does it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from benchmarks.reference import Start
from benchmarks.timing import limited
from sweepjax.engine.dealing import deal
from sweepjax.engine.drawing import Row, drawn
from sweepjax.engine.engine import Engine
from sweepjax.engine.kernel import Kernel, Slot
from sweepjax.engine.pool import advance
from sweepjax.engine.redraw import dataset
from sweepjax.engine.slots import empty, queue_of
from sweepjax.identity import describe
from sweepjax.keys import realization_keys
from sweepjax.models.logistic import Dataset, Logistic, Weights
from sweepjax.solvers.limit import Limit
from sweepjax.types import Columns, Problem

ENGINE = Engine()
Call = tuple[Any, tuple[Any, ...]]  # a compiled program and its arguments
PIECES = 4  # of the draws of a shape, at most: a device that is done takes the next


class Batch(NamedTuple):
    """Draws of one shape in pieces of one size, and the program compiled for one."""

    pieces: list[Float[Array, "r n d"]]
    program: Any

    @property
    def x(self) -> Float[np.ndarray, "r n d"]:
        return np.concatenate(self.pieces)

    @property
    def calls(self) -> list[Call]:
        """What there is to compute; each call is one piece."""
        return [(self.program, (piece,)) for piece in self.pieces]


def solved(calls: list[Call]) -> dict[str, np.ndarray]:
    """Return the columns of all calls, one after the other; masked where a quantity does not exist."""
    with limited(1, "blas"):
        parts = dict(deal([_hand for _ in ENGINE.hands], enumerate(calls)))
    found = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(parts[place] for place in range(len(calls))))
    return {name: _masked(value) for name, value in found.items()}


def _hand(calls: Iterator[tuple[int, Call]], give: Any) -> None:
    for place, (program, arguments) in calls:
        give((place, jax.device_get(program(*arguments))))


def piece_size(count: int) -> int:
    """Return the draws of a piece."""
    return -(-count // PIECES)


def batch(n: int, d: int, count: int, *, separable: bool) -> Batch:
    """Draw the first `count` realizations of seed 0 that are separable, or not; count is rounded up to whole pieces."""
    size = piece_size(count)
    count += -count % size
    chosen, program, start = np.empty((0, n, d), dtype=np.float32), None, 0
    while len(chosen) < count:
        drawn = np.stack([_rows(n, d, realization) for realization in range(start, start + count)])
        program = program or _program(drawn[:size])
        fits = solved(Batch(_pieces(drawn, size), program).calls)["separable"] == separable
        chosen, start = np.concatenate([chosen, drawn[fits]]), start + count
    return Batch(_pieces(chosen[:count], size), program)


class Trainings(NamedTuple):
    """Draws of one model and their starts in pieces of one size, and the program compiled to train one."""

    settings: tuple[Any, Any, Float[Array, " t"]]
    pieces: list[tuple[Dataset, Weights]]
    program: Any

    def starts(self) -> list[Start]:
        """Return where each training begins, in float64 for the peers."""
        parts = [zip(*jax.device_get((data.x, start.s, start.b)), strict=True) for data, start in self.pieces]
        return [Start.of(*each) for part in parts for each in part]

    def solve(self) -> dict[str, np.ndarray]:
        """Return the columns of the draws: [r t], or [r] where they are said once a row."""
        return solved(self.calls)

    @property
    def calls(self) -> list[Call]:
        """What there is to compute; each call is one piece."""
        return [(self.program, (*self.settings, *piece)) for piece in self.pieces]


def trainings(
    model: Logistic, solver: Any, times: Float[np.ndarray, " t"], count: int, *, curves: bool = True
) -> Trainings:
    """Draw the first `count` realizations of seed 0, rounded up to whole pieces, to be trained up to `times`.

    What is recorded are all columns of the model, or ‖S‖ and b alone where no `curves` of losses are wanted.
    """
    size, device = piece_size(count), ENGINE.devices[0]
    index = np.arange(count + -count % size, dtype=np.uint32)
    with jax.enable_x64(True):
        draw = jax.jit(draws)
        pieces = [draw(model, each) for each in np.split(index, len(index) // size)]
        settings = jax.device_put((model, solver, times), device)
        return Trainings(settings, pieces, _trained(curves).lower(*settings, *pieces[0]).compile())


def draws(model: Logistic, index: Array) -> tuple[Dataset, Weights]:
    """Return datasets of seed 0 and where training them begins, for realizations [r]."""

    def draw(realization: Array) -> tuple[Dataset, Weights]:
        keys = realization_keys(model, np.uint32(0), realization)
        data = drawn(model, keys.data, np.bool_(True))
        return data, model.init(keys.init, data)

    return lax.map(draw, index)


class GivenRow(NamedTuple):
    """A row whose dataset and start are given, not drawn."""

    row: Row
    data: Dataset
    start: Weights


@dataclass(frozen=True)
class Given(Kernel):
    """The life of a row on a given dataset, in the engine's own pool."""

    def enter(self, row: Any) -> Slot:
        """Start the solver."""
        problem = Problem(row.row.model, row.data, row.start, jax.random.key(0))
        state = row.row.solver.init(problem)
        key = jnp.zeros(2, jnp.uint32)
        return Slot(row.row, key, row.data, row.start, None, state, jnp.int32(0), self._nothing(problem))


class GivenRows(Given):
    """The same of solver `limit`, which keeps its rows in float64, too."""

    def enter(self, row: Any) -> Slot:
        """Start the solver."""
        problem = Problem(row.row.model, row.data, (), jax.random.key(0))
        slot = Slot(row.row, jnp.zeros(2, jnp.uint32), row.data, (), None, None, jnp.int32(0), self._nothing(problem))
        return slot._replace(view=row.row.solver.view(problem), state=row.row.solver.init(problem))


class _Rows(NamedTuple):
    """A model whose data are the rows."""

    def signed_rows(self, data: Array) -> Array:
        return data


def _trained(curves: bool) -> Any:
    def share(model: Logistic, solver: Any, times: Array, data: Dataset, start: Weights) -> Columns:
        count = data.x.shape[0]
        number = jnp.arange(count)
        model = model if curves else _Bare(model)
        same = Row(model, solver, jnp.uint32(0), jnp.uint32(0))
        rows = GivenRow(jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count,)), same), data, start)
        kernel = Given(solver, times, {}, None, jnp.asarray(True), keeps_view=True)
        pool = empty(kernel, jax.tree.map(lambda leaf: leaf[0], rows), 1)
        _, left = advance(kernel, 1, pool, queue_of(number, rows, count))
        found = jax.tree.map(lambda leaf: leaf[:count][jnp.argsort(left.number[:count])], left.columns)
        return {**found.curves, **found.info}

    return jax.jit(share)


class _Bare(NamedTuple):
    """A model of which only ‖S‖ and b are recorded."""

    of: Logistic

    def training_loss(self, params: Weights, data: Dataset, batch: Any = None) -> Array:
        return self.of.training_loss(params, data, batch)

    def metrics(self, params: Weights, data: Dataset) -> Columns:
        return {"s_norm": jnp.linalg.norm(params.s), "b": params.b}


def _rows(n: int, d: int, realization: int) -> np.ndarray:
    label = {"model": "logistic", "seed": 0, "realization": realization}
    return np.asarray(dataset(describe(Logistic(n=n, d=d)) | label).x)


def _program(x: np.ndarray) -> Any:
    def share(x: Array) -> Any:
        return _limits(x)

    with jax.enable_x64(True):
        return jax.jit(share).lower(x).compile()


def _limits(x: Array) -> Any:
    """Return the columns of solver `limit` for given rows, in the engine's own pool."""
    model, solver, count = _Rows(), Limit(), x.shape[0]
    same = Row(model, solver, jnp.uint32(0), jnp.uint32(0))
    rows = GivenRow(jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count,)), same), x, ())
    kernel = GivenRows(solver, jnp.zeros(0), {}, None, jnp.asarray(True), keeps_view=True)
    pool = empty(kernel, jax.tree.map(lambda leaf: leaf[0], rows), 1)
    _, left = advance(kernel, 1, pool, queue_of(jnp.arange(count), rows, count))
    return jax.tree.map(lambda leaf: leaf[:count][jnp.argsort(left.number[:count])], left.columns.info)


def _pieces(x: np.ndarray, size: int) -> list[Array]:
    return [jax.device_put(piece, ENGINE.devices[0]) for piece in np.split(x, len(x) // size)]


def _masked(value: Any) -> np.ndarray:
    return np.ma.MaskedArray(value[0], mask=~value[1]) if isinstance(value, tuple) else value
