"""What a program computes is counted right, and the benchmark of a GPU never runs elsewhere unasked."""

import os
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from sweepjax.solvers._limit import stages  # before the checkout is on the path: the installed one is tested
from sweepjax.sweep.sweep import Sweep

CHECKOUT = Path(__file__).parents[2]
N, K, M = 3, 5, 7


@pytest.fixture(scope="module")
def roofline():
    sys.path.append(str(CHECKOUT))
    yield import_module("benchmarks.roofline")
    sys.path.remove(str(CHECKOUT))


@pytest.fixture(scope="module")
def tally(roofline):
    return lambda program, *arguments: roofline.Counter(program, *arguments).tally(*arguments)


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


def test_a_product_of_matrices_takes_2nkm_flops_and_moves_each_matrix_once(tally):
    ((site, count),) = tally(jnp.matmul, *matrices()).sites
    assert (site.flops, site.bytes, site.precision, count) == (2 * N * K * M, 4 * (N * K + K * M + N * M), "float32", 1)


def test_lanes_multiply_the_cost_of_an_execution(tally):
    ((site, count),) = tally(jax.vmap(jnp.matmul), *matrices(lanes=(6,))).sites
    assert (site.flops, count) == (6 * 2 * N * K * M, 1)


def test_a_cholesky_factor_takes_a_third_of_d_cubed(tally):
    d = 6
    ((site, count),) = tally(lambda h: lax.linalg.cholesky(h, symmetrize_input=False), jnp.eye(d)).sites
    assert (site.kind, site.flops, count) == ("Cholesky", d**3 / 3, 1)


def test_a_triangular_solve_takes_d_squared(tally):
    d = 6
    solve = partial(lax.linalg.triangular_solve, left_side=True)
    ((site, count),) = tally(solve, jnp.eye(d), jnp.ones((d, 1))).sites
    assert (site.kind, site.flops, count) == ("solve", d**2, 1)


def test_a_loop_counts_the_passes_it_makes(tally):
    counted = tally(until_positive, jnp.float32(-4))
    assert [count for _, count in counted.sites] == [4]
    assert counted.answer == 0


def test_lanes_wait_for_the_last_and_answer_as_they_do_alone(tally):
    counted = tally(jax.vmap(until_positive), jnp.float32([-4, -1.5, 3]))
    assert [count for _, count in counted.sites] == [4]
    assert counted.answer.tolist() == [0, 0.5, 3]


@pytest.mark.parametrize(("lanes", "executions"), [(None, [2, 0]), (2, [1, 1])])
def test_lanes_side_by_side_execute_both_sides_of_a_branch(tally, lanes, executions):
    small, large = jnp.eye(2, dtype=jnp.float32), jnp.eye(3, dtype=jnp.float32)

    def choose(flag):
        return lax.cond(flag, lambda: jnp.trace(large @ large), lambda: jnp.trace(small @ small))

    counted = tally(lambda flags: lax.map(choose, flags, batch_size=lanes), jnp.array([False, False]))
    assert [count for _, count in sorted(counted.sites, key=lambda pair: pair[0].flops)] == executions


def test_the_least_time_is_of_memory_or_of_the_products(roofline, tally):
    ((site, _),) = tally(jnp.matmul, *matrices()).sites
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


@pytest.fixture
def played(roofline):
    return import_module("benchmarks.played")


def rows_of_one_stage(played, executions):
    """Rows that enter, execute the one site of their stage so often, and leave."""
    none, visit = np.zeros(0, np.int64), played.Visit
    rows = [[visit(0, none), visit(1, np.array([count])), visit(2, none)] for count in executions]
    return played.Rows(rows, [np.zeros(0), np.ones(1), np.zeros(0)])


def cost_of_a_row(played, executions, lanes):
    pool = played.Pool(rows_of_one_stage(played, executions), lanes)
    pool.until(64 * lanes)
    return pool.seconds / pool.left, pool.served / pool.taken


def test_rows_alike_cost_in_a_pool_what_they_cost_alone(played):
    assert cost_of_a_row(played, [3, 3], lanes=8) == (pytest.approx(3, rel=0.05), 1)


def test_a_lane_that_executes_a_site_most_often_is_waited_for(played):
    cost, _ = cost_of_a_row(played, [1, 9], lanes=64)
    assert cost == pytest.approx(9, rel=0.05)


@pytest.mark.slow
def test_rows_with_a_proved_minimum_wait_for_no_stage_of_the_margin(played):
    (family,) = Sweep().replaced(n=40, d=8).families()
    # A row's first step is to enter.
    waited = {visit.step - 1 for row in played.alone(family, 8).visits for visit in row}
    assert waited >= {stages.EXACT, stages.DESCEND, stages.JUDGE}
    assert not waited & {*range(stages.SEARCH, stages.VERDICT + 1)}


@pytest.mark.slow
def test_a_pool_that_is_played_costs_what_the_pool_itself_does(played, roofline):
    family = roofline.kernels(short=True)[1]
    _, in_lanes, _ = played.lines(family, 200, (1, 8, 64))
    lanes = import_module("benchmarks.lanes")
    counted, _ = lanes.steady(family, 8, 200, 1000)
    assert 1e-6 * in_lanes.microseconds == pytest.approx(counted, rel=0.15)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["benchmarks.gpu", "--minutes", "0"], "--minutes 0 is not allowed; give a number above 0"),
        (["benchmarks.played", "--only", "nothing"], "no kernel's name holds 'nothing'"),
        (["benchmarks.cuda", "--only", "nothing"], "no name holds 'nothing'"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(options, sentence, roofline, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", options)
    with pytest.raises(SystemExit, match="2"):
        import_module(options[0]).main()
    assert sentence in capsys.readouterr().err


def test_a_table_without_rows_says_none(roofline):
    assert roofline.markdown([]) == "None.\n"
