"""Our side: the bare limit kernel on given rows, mapped over the devices as the engine does it."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float
from threadpoolctl import threadpool_limits

from sweepjax.engine import Engine, dataset
from sweepjax.models.logistic import Logistic
from sweepjax.solvers.limit import columns, solve_limit
from sweepjax.types import describe

ENGINE = Engine()


class Batch(NamedTuple):
    """Draws of one shape on the devices, and the program compiled for them."""

    x: Float[Array, "r n d"]
    program: Any

    def solve(self) -> dict[str, np.ndarray]:
        """Return the columns of the draws [r]; masked where a quantity does not exist."""
        with threadpool_limits(1, user_api="blas"):
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
