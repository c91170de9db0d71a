"""Batches of LAPACK calls neither hang nor change what they find."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweepjax.primitives.lapack import one_by_one
from sweepjax.solvers._limit.linear import factorise

# With jnp.linalg.cholesky itself each device waits for a thread that the other holds, for ever.
BATCHES = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, PartitionSpec
from sweepjax.primitives.lapack import one_by_one
factor = jax.vmap(one_by_one(jnp.linalg.cholesky))
mesh, spec = Mesh(np.array(jax.devices()), ("r",)), PartitionSpec("r")
share = lambda h: jax.lax.map(factor, h.reshape(-1, 8, 100, 100))
program = jax.jit(jax.shard_map(share, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))
for _ in range(20):
    jax.block_until_ready(program(jnp.broadcast_to(jnp.eye(100), (64, 100, 100))))
print(len(jax.devices()))
"""


@pytest.mark.slow
def test_no_device_waits_for_a_thread_that_another_holds():
    done = subprocess.run([sys.executable, "-c", BATCHES], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["2"]


@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)])
def test_a_batch_is_its_lanes(axes):
    a, b = np.random.default_rng(0).standard_normal((2, 3, 5, 5))
    a = a + 5 * np.eye(5)
    pair = [each if axis == 0 else each[0] for each, axis in zip((a, b), axes, strict=True)]
    lanes = [[each[k] if axis == 0 else each for each, axis in zip(pair, axes, strict=True)] for k in range(3)]
    found = jax.vmap(one_by_one(jnp.linalg.solve), axes)(*pair)
    np.testing.assert_allclose(found, [np.linalg.solve(*lane) for lane in lanes], rtol=1e-4, atol=1e-5)


def test_elsewhere_lanes_are_one_batch():
    traced = jax.jit(jax.vmap(one_by_one(jnp.linalg.cholesky))).trace(jnp.ones((3, 5, 5)))
    loops = {name: traced.lower(lowering_platforms=(name,)).as_text().count("while") for name in ("cpu", "cuda")}
    assert loops["cuda"] == 0 < loops["cpu"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_factor_is_that_of_the_upper_half_and_shifted_until_there_is_one(dtype):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3, 9, 6))
    h = np.einsum("kni,knj->kij", x, x)
    h[2] -= 2 * np.eye(6) * np.linalg.eigvalsh(h[2])[0]  # not positive definite
    r = rng.standard_normal(6)
    with jax.enable_x64(True):
        upper = jnp.asarray(np.triu(h) - 7 * np.tri(6, k=-1), dtype)
        factors = jax.vmap(lambda h: factorise(h, 0.0, 1e-3))(upper)
        found = jax.vmap(lambda factor: factor.solve(jnp.asarray(r, dtype)))(factors)
    shifted = h + (np.asarray(factors.shift) * np.trace(h, axis1=1, axis2=2) / 6)[:, None, None] * np.eye(6)
    assert (np.asarray(factors.shift) > 0).tolist() == [False, False, True]
    np.testing.assert_allclose(found, np.linalg.solve(shifted, r), rtol=1e-3 if dtype == np.float32 else 1e-9)
