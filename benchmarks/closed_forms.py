"""The jobs of the systems that are solved in closed form, against the loop of steps that one would write in NumPy."""

from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from benchmarks.jobs import Effort, compared
from benchmarks.kernel import ENGINE
from benchmarks.table import Row
from benchmarks.timing import alternate, limited
from sweepjax.run import fill, open_store, share
from sweepjax.sweep.sweep import Sweep

Loop = Callable[[int], float]  # steps -> the last training loss
PEER = "NumPy loop, gradient written out"
AT_LEAST = 100


class Job(NamedTuple):
    """A sweep of one point and many draws, a loop for one draw, its steps in all, and how many are timed."""

    sweep: dict[str, Any]
    draws: int
    loop: Loop
    steps: int
    timed: int


def bias(steps: int) -> float:
    """Draw two times five inputs, and walk the bias in steps of 0.001."""
    rng = np.random.default_rng(0)
    x = np.concatenate([0.2 + rng.exponential(size=5), -0.2 - rng.exponential(size=5)])
    y, b = np.repeat([1.0, -1.0], 5), 4.0
    wrong = 0
    for _ in range(steps):
        wrong += bool(np.any(y * (x - b) < 0)) + (abs(b) > 0.2)
        b -= 1e-3 * (b - np.mean(x))
    return float(0.5 * np.mean((x - b - y) ** 2))


def ball(steps: int) -> float:
    """Draw two times ten inputs in five dimensions, and walk the weights in steps of 0.01."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 5))
    x *= rng.random((20, 1)) ** 0.2 / np.linalg.norm(x, axis=1, keepdims=True)
    y, w = np.repeat([1.0, -1.0], 10), rng.standard_normal(5)
    x[:, 0] += 2 * y
    wrong = 0
    for _ in range(steps):
        error = x @ w - y
        wrong += bool(np.any(y * (x @ w) < 0)) + (2 * w[0] < np.linalg.norm(w))
        w = w - 0.01 * (x.T @ error / 20 + 0.01 * w)
    return float(0.5 * np.mean((x @ w - y) ** 2))


def linear(steps: int) -> float:
    """Draw 444 samples in 400 dimensions, and take every step of descent."""
    rng = np.random.default_rng(0)
    x, difference = rng.standard_normal((444, 400)), rng.standard_normal(400) / 20
    for _ in range(steps):
        difference = difference - 0.02 * (x.T @ (x @ difference)) / 444
    return float(np.mean((x @ difference) ** 2))


JOBS_OF = [
    Job({"model": "perceptron_exponential", "solver": "exact", "until": 14, "record": 2}, 65_536, bias, 14_000, 1000),
    Job(
        {"model": "perceptron_ball", "solver": "exact", "d": 5, "epsilon": 2, "l2": 0.01, "until": 50, "record": 2},
        4096,
        ball,
        5000,
        500,
    ),
    Job({"model": "linear_regression", "solver": "exact_descent", "until": 1e6}, 16, linear, 10**6, 500),
]


def closed_forms(effort: Effort) -> list[Row]:
    """Draw, solve and record: whole rows of ours against steps of a loop, one dataset at a time."""
    return [_against(job, effort) for job in JOBS_OF]


def phase_diagram(effort: Effort) -> list[Row]:
    """Draw, solve and store as many rows of 10,000 points and of 5: what a point costs besides its rows."""
    gaps, rows = (4, 2) if effort.short else (2000, effort.count(20))
    options = {"model": "perceptron_exponential", "solver": "exact", "n": "1,2,3,5,10", "until": 14, "record": 2}
    many = Sweep.from_toml(options | {"epsilon": f"log:1e-3:4@{gaps}", "realizations": rows})
    few = Sweep.from_toml(options | {"epsilon": 0.2, "realizations": gaps * rows})
    pair = alternate(partial(_stored, many), partial(_stored, few), effort.repetitions(5))
    row = compared(f"a run of {many.points} points", pair, many.rows_total, f"a run of {few.points} points", 1 / 1.15)
    return [row._replace(draws=many.rows_total)]


def _stored(sweep: Sweep) -> None:
    with TemporaryDirectory() as out:
        store = open_store(sweep, out, engine=ENGINE)
        fill(store, share(sweep, store.chunk_rows), engine=ENGINE, watch=lambda what, rows: None)


JOBS = {"closed_forms": closed_forms, "phase_diagram": phase_diagram}


def _against(job: Job, effort: Effort) -> Row:
    sweep = Sweep.from_toml(job.sweep | {"realizations": effort.count(job.draws)})
    (chunk,) = sweep.chunks(sweep.rows_total)

    def theirs() -> float:
        with limited(len(ENGINE.devices)):
            return job.loop(job.timed)

    pair = alternate(lambda: ENGINE.compute(chunk, lambda what, rows: None), theirs, effort.repetitions(5))
    name = f"{job.sweep['model'].replace('_', ' ')}, {job.sweep['solver']}"
    row = compared(name, pair.per(chunk.rows, job.timed / job.steps), 1, PEER, AT_LEAST)
    return row._replace(draws=chunk.rows, note=f"the loop: {job.timed} steps timed, as if {job.steps}")
