"""Our side: the bare kernels on given data, mapped over the devices as the engine does it."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from benchmarks.reference import Start
from benchmarks.timing import limited
from sweepjax.engine import Engine, dataset, drawn
from sweepjax.keys import realization_keys
from sweepjax.models.logistic import Dataset, Logistic, Weights
from sweepjax.solvers.limit import columns, solve_limit
from sweepjax.types import Columns, Problem, describe

ENGINE = Engine()


class Batch(NamedTuple):
    """Draws of one shape on the devices, and the program compiled for them."""

    x: Float[Array, "r n d"]
    program: Any

    def solve(self) -> dict[str, np.ndarray]:
        """Return the columns of the draws [r]; masked where a quantity does not exist."""
        with limited(1, "blas"):
            found = jax.device_get(self.program(self.x))
        return {name: _masked(value) for name, value in found.items()}


def batch(n: int, d: int, count: int, *, separable: bool) -> Batch:
    """Draw the first `count` realizations of seed 0 that are separable, or not; count is rounded up to the devices."""
    count += -count % len(ENGINE.devices)
    chosen, program, start = np.empty((0, n, d), dtype=np.float32), None, 0
    while len(chosen) < count:
        drawn = np.stack([_rows(n, d, realization) for realization in range(start, start + count)])
        program = program or _program(drawn)
        fits = Batch(_placed(drawn), program).solve()["separable"] == separable
        chosen, start = np.concatenate([chosen, drawn[fits]]), start + count
    return Batch(_placed(chosen[:count]), program)


class Trainings(NamedTuple):
    """Draws of one model and their starts on the devices, and the program compiled to train them."""

    settings: tuple[Any, Any, Float[Array, " t"]]
    data: Dataset
    start: Weights
    program: Any

    def starts(self) -> list[Start]:
        """Return where each training begins, in float64 for the peers."""
        parts = jax.device_get((self.data.x, self.start.s, self.start.b))
        return [Start.of(*part) for part in zip(*parts, strict=True)]

    def solve(self) -> dict[str, np.ndarray]:
        """Return the columns of the draws: [r t], or [r] where they are said once a row."""
        with limited(1, "blas"):
            found = jax.device_get(self.program(*self.settings, self.data, self.start))
        return {name: _masked(value) for name, value in found.items()}


def trainings(
    model: Logistic, solver: Any, times: Float[np.ndarray, " t"], count: int, *, curves: bool = True
) -> Trainings:
    """Draw the first `count` realizations of seed 0, rounded up to the devices, to be trained up to `times`.

    What is recorded are all columns of the model, or ‖S‖ and b alone where no `curves` of losses are wanted.
    """
    index = np.arange(count + -count % len(ENGINE.devices), dtype=np.uint32)
    with jax.enable_x64(True):
        draws = jax.device_put(jax.jit(_draws)(model, index), _sharding())
        settings = jax.device_put((model, solver, times), NamedSharding(_sharding().mesh, PartitionSpec()))
        return Trainings(settings, *draws, _trained(curves).lower(*settings, *draws).compile())


def _draws(model: Logistic, index: Array) -> tuple[Dataset, Weights]:
    def draw(realization: Array) -> tuple[Dataset, Weights]:
        keys = realization_keys(model, np.uint32(0), realization)
        data = drawn(model, keys, np.bool_(True))
        return data, model.init(keys.init, data)

    return lax.map(draw, index)


def _trained(curves: bool) -> Any:
    def share(model: Logistic, solver: Any, times: Array, data: Dataset, start: Weights) -> Columns:
        def train(given: tuple[Dataset, Weights]) -> Columns:
            problem = Problem(model, *given, None)
            measure = partial(model.metrics, data=problem.data) if curves else _weights
            state, record = solver.solve(problem, solver.init(problem), times, measure)
            return record | solver.info(problem, state)

        return lax.map(train, (data, start))

    whole, split = PartitionSpec(), PartitionSpec("r")
    specs = {"in_specs": (whole, whole, whole, split, split), "out_specs": split}
    return jax.jit(jax.shard_map(share, mesh=_sharding().mesh, check_vma=False, **specs))


def _weights(params: Weights) -> Columns:
    return {"s_norm": jnp.linalg.norm(params.s), "b": params.b}


def _rows(n: int, d: int, realization: int) -> np.ndarray:
    label = {"model": "logistic", "seed": 0, "realization": realization}
    return np.asarray(dataset(describe(Logistic(n=n, d=d)) | label).x)


def _program(x: np.ndarray) -> Any:
    def share(x: Array) -> Any:
        return lax.map(lambda rows: columns(rows, solve_limit(rows)), x)

    mapped = jax.shard_map(
        share, mesh=_sharding().mesh, in_specs=PartitionSpec("r"), out_specs=PartitionSpec("r"), check_vma=False
    )
    with jax.enable_x64(True):
        return jax.jit(mapped).lower(_placed(x)).compile()


def _placed(x: np.ndarray) -> Array:
    return jax.device_put(x, _sharding())


def _sharding() -> NamedSharding:
    return NamedSharding(Mesh(np.array(ENGINE.devices), ("r",)), PartitionSpec("r"))


def _masked(value: Any) -> np.ndarray:
    return np.ma.MaskedArray(value[0], mask=~value[1]) if isinstance(value, tuple) else value
