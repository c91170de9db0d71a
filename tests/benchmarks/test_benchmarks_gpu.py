"""What a program computes is counted right, and the benchmark of a GPU never runs elsewhere unasked."""

import os
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from sweepjax.solvers.limit import solve_limit  # before the checkout is on the path: the installed one is tested

CHECKOUT = Path(__file__).parents[2]
N, K, M = 3, 5, 7


@pytest.fixture(scope="module")
def roofline():
    sys.path.append(str(CHECKOUT))
    yield import_module("benchmarks.roofline")
    sys.path.remove(str(CHECKOUT))


def run(*options):
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "benchmarks.gpu", *options]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)


def matrices(lanes=()):
    return jnp.ones((*lanes, N, K), jnp.float32), jnp.ones((*lanes, K, M), jnp.float32)


def until_positive(start):
    """Multiply 2 x 2 matrices as often as `start` is below zero."""
    one = jnp.eye(2, dtype=jnp.float32)
    return lax.while_loop(lambda carry: carry[0] < 0, lambda carry: (carry[0] + 1, carry[1] @ one), (start, one))[0]


def test_a_product_of_matrices_takes_2nkm_flops_and_moves_each_matrix_once(roofline):
    ((site, count),) = roofline.Tally(jnp.matmul, *matrices()).sites
    assert (site.flops, site.bytes, site.precision, count) == (2 * N * K * M, 4 * (N * K + K * M + N * M), "float32", 1)


def test_lanes_multiply_the_cost_of_an_execution(roofline):
    ((site, count),) = roofline.Tally(jax.vmap(jnp.matmul), *matrices(lanes=(6,))).sites
    assert (site.flops, count) == (6 * 2 * N * K * M, 1)


def test_a_cholesky_factor_takes_a_third_of_d_cubed(roofline):
    d = 6
    ((site, count),) = roofline.Tally(lambda h: lax.linalg.cholesky(h, symmetrize_input=False), jnp.eye(d)).sites
    assert (site.kind, site.flops, count) == ("Cholesky", d**3 / 3, 1)


def test_a_triangular_solve_takes_d_squared(roofline):
    d = 6
    solve = partial(lax.linalg.triangular_solve, left_side=True)
    ((site, count),) = roofline.Tally(solve, jnp.eye(d), jnp.ones((d, 1))).sites
    assert (site.kind, site.flops, count) == ("solve", d**2, 1)


def test_a_loop_counts_the_passes_it_makes(roofline):
    tally = roofline.Tally(until_positive, jnp.float32(-4))
    assert [count for _, count in tally.sites] == [4]
    assert tally.answer == 0


def test_lanes_wait_for_the_last_and_answer_as_they_do_alone(roofline):
    tally = roofline.Tally(jax.vmap(until_positive), jnp.float32([-4, -1.5, 3]))
    assert [count for _, count in tally.sites] == [4]
    assert tally.answer.tolist() == [0, 0.5, 3]


@pytest.mark.parametrize(("lanes", "executions"), [(None, [2, 0]), (2, [1, 1])])
def test_lanes_side_by_side_execute_both_sides_of_a_branch(roofline, lanes, executions):
    small, large = jnp.eye(2, dtype=jnp.float32), jnp.eye(3, dtype=jnp.float32)

    def choose(flag):
        return lax.cond(flag, lambda: jnp.trace(large @ large), lambda: jnp.trace(small @ small))

    tally = roofline.Tally(lambda flags: lax.map(choose, flags, batch_size=lanes), jnp.array([False, False]))
    assert [count for _, count in sorted(tally.sites, key=lambda pair: pair[0].flops)] == executions


@pytest.mark.slow
def test_lanes_with_a_proved_minimum_look_for_no_margin(roofline):
    x = jax.random.normal(jax.random.key(0), (2, 40, 8), jnp.float32)
    with jax.enable_x64(True):
        alone, together = roofline.Tally(solve_limit, x[0]), roofline.Tally(jax.vmap(solve_limit), x)
    assert together.answer.certified.all()
    assert not together.answer.separable.any()
    # Twice: in lanes factors are of both precisions.
    assert 0 < factors(together) <= 2 * factors(alone)


def factors(tally):
    return sum(count for site, count in tally.sites if site.kind == "Cholesky")


def test_the_least_time_is_of_memory_or_of_the_products(roofline):
    ((site, _),) = roofline.Tally(jnp.matmul, *matrices()).sites
    slow_memory = roofline.Machine(1.0, {"float32": 1e9}, lambda precision, size: 1.0)
    slow_products = roofline.Machine(1e9, {"float32": 1.0}, lambda precision, size: 1.0)
    assert slow_memory.least(site) == (site.bytes, "memory")
    assert slow_products.least(site) == (site.flops, "products")


@pytest.mark.slow
def test_without_a_gpu_the_benchmark_says_so_and_fails():
    ended = run()
    assert ended.returncode == 1
    assert ended.stderr.startswith("no device of platform 'cuda' here; run this on a machine with a CUDA GPU")
    assert not ended.stdout


@pytest.mark.slow
def test_asked_for_by_name_a_cpu_runs_and_is_named_in_the_table(tmp_path):
    ended = run("--platform", "cpu", "--short", "--out", str(tmp_path))
    assert ended.returncode == 0
    assert "* device: cpu" in (tmp_path / "gpu.md").read_text()
