"""The jobs of the networks that weight decay carries on: their flow and every step, against the loop of the paper."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.dynamic_peers import in_the_best_threads
from benchmarks.jobs import Effort, compared
from benchmarks.kernel import ENGINE
from benchmarks.table import Row
from benchmarks.timing import alternate
from sweepjax.engine.redraw import dataset
from sweepjax.sweep.sweep import Sweep

DIAGONAL = {"model": "diagonal_network", "n": 96, "d": 1000, "sparsity": 3, "alpha": 32.0, "l2": 0.01, "n_test": 1000}
COMPLETION = {"model": "matrix_completion", "d": 20, "fraction": 0.3, "alpha": 10.0, "l2": 0.01}
Loop = Callable[[dict[str, Any], Any, float, int], float]  # fields, dataset, rate, steps -> norm of all parameters


class Job(NamedTuple):
    """A model, the rate of its loop and its steps in all, and how many the loop is timed for."""

    fields: dict[str, Any]
    loop: Loop
    peer: str
    rate: float
    steps: int
    timed: int

    @property
    def name(self) -> str:
        """What is trained, in words."""
        sizes = ", ".join(f"{name} = {self.fields[name]}" for name in ("n", "d") if name in self.fields)
        return f"{self.fields['model'].replace('_', ' ')}, {sizes}"


def diagonal_torch(fields: dict[str, Any], data: Any, rate: float, steps: int) -> float:
    """Train as the published code does: autograd, full batches, weight decay by the optimiser."""
    x, y = (torch.tensor(np.asarray(leaf)) for leaf in (data.x, data.y))
    start = torch.full((fields["d"],), fields["alpha"] / np.sqrt(2 * fields["d"]))
    u, v = (start.clone().requires_grad_() for _ in range(2))

    def loss() -> torch.Tensor:
        return torch.nn.functional.softplus(-y * (x @ (u**2 - v**2))).mean()

    return _torch_descent([u, v], loss, rate, fields["l2"], steps)


def completion_torch(fields: dict[str, Any], data: Any, rate: float, steps: int) -> float:
    """Train as the published code does."""
    x, seen = (torch.tensor(np.asarray(leaf)) for leaf in (data.x, data.observed))
    u, v = ((fields["alpha"] * torch.eye(fields["d"])).requires_grad_() for _ in range(2))

    def loss() -> torch.Tensor:
        return ((u @ u.T - v @ v.T - x)[seen] ** 2).mean()

    return _torch_descent([u, v], loss, rate, fields["l2"], steps)


def _torch_descent(params: list[Any], loss: Callable[[], Any], rate: float, decay: float, steps: int) -> float:
    optimiser = torch.optim.SGD(params, lr=rate, weight_decay=decay)
    for _ in range(steps):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    return float(torch.sqrt(torch.stack([torch.sum(leaf.detach() ** 2) for leaf in params]).sum()))


def diagonal_numpy(fields: dict[str, Any], data: Any, rate: float, steps: int) -> float:
    """Train with the gradient written out."""
    x = np.asarray(data.x) * np.asarray(data.y)[:, None]
    u = v = np.full(fields["d"], fields["alpha"] / np.sqrt(2 * fields["d"]), np.float32)
    for _ in range(steps):
        slope = -2 * (1 / (1 + np.exp(x @ (u**2 - v**2))) / len(x)) @ x
        u, v = u - rate * (u * slope + fields["l2"] * u), v - rate * (fields["l2"] * v - v * slope)
    return float(np.sqrt(np.sum(u**2) + np.sum(v**2)))


def completion_numpy(fields: dict[str, Any], data: Any, rate: float, steps: int) -> float:
    """Train with the gradient written out."""
    x, seen = np.asarray(data.x), np.asarray(data.observed)
    u = v = fields["alpha"] * np.eye(fields["d"], dtype=np.float32)
    for _ in range(steps):
        e = np.where(seen, u @ u.T - v @ v.T - x, 0) * (2 / seen.sum(dtype=np.float32))
        g, keep = rate * (e + e.T), 1 - rate * fields["l2"]
        u, v = keep * u - g @ u, keep * v + g @ v
    return float(np.sqrt(np.sum(u**2) + np.sum(v**2)))


LOOPS = [
    Job(DIAGONAL, diagonal_torch, "PyTorch loop, autograd, SGD", 0.05, 16_000, 400),
    Job(DIAGONAL, diagonal_numpy, "NumPy loop, gradient written out", 0.05, 16_000, 400),
    Job(COMPLETION, completion_torch, "PyTorch loop, autograd, SGD", 0.1, 6000, 400),
    Job(COMPLETION, completion_numpy, "NumPy loop, gradient written out", 0.1, 6000, 400),
]
AT_LEAST = {("diagonal_network", "gradient_flow"): 100, ("matrix_completion", "gradient_flow"): 100}
AT_LEAST |= {("matrix_completion", "gradient_descent"): 20}


def networks(effort: Effort) -> list[Row]:
    """Draw, train and record a few times, whole rows of ours against steps of a loop, one dataset at a time."""
    jobs = [job._replace(steps=job.steps // 40, timed=10) if effort.short else job for job in LOOPS]
    return [_against(job, solver, effort) for job in jobs for solver in ("gradient_flow", "gradient_descent")]


JOBS = {"networks": networks}


def _against(job: Job, solver: str, effort: Effort) -> Row:
    steps = np.array([0, job.timed, job.steps])
    times = job.rate * steps if solver == "gradient_flow" else steps
    options = {} if solver == "gradient_flow" else {"learning_rate": job.rate}
    record = ",".join(f"{time:.12g}" for time in times)
    asked = {"solver": solver, "until": float(times[-1]), "record": record, "realizations": effort.count(32)}
    sweep = Sweep.from_toml(job.fields | options | asked)
    (chunk,) = sweep.chunks(sweep.rows_total)
    data = dataset(job.fields | {"seed": 0, "realization": 0} | ({"task": "grok"} if "n" in job.fields else {}))

    def loop(steps: int) -> float:
        return job.loop(job.fields, data, job.rate, steps)

    theirs = in_the_best_threads(partial(loop, job.timed // 4), partial(loop, job.timed))

    def ours() -> Any:
        return ENGINE.compute(chunk, lambda what, rows: None)

    pair = alternate(ours, theirs, effort.repetitions(5)).per(chunk.rows, job.timed / job.steps)
    norm = pair.our_answer["norm"].values[0]
    note = f"the loop: {job.timed} steps timed, as if {job.steps}; errors are after {job.timed}"
    row = compared(f"{job.name}, {solver}", pair, 1, job.peer, AT_LEAST.get((job.fields["model"], solver)))
    return row._replace(error=abs(float(norm[1]) / pair.their_answer - 1), draws=chunk.rows, note=note)
