"""The job of networks that grok: many small trainings of modular addition, one program against PyTorch in two ways."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch
from torch.func import functional_call, grad, stack_module_state, vmap

from benchmarks.jobs import Effort, compared, product_share
from benchmarks.kernel import ENGINE
from benchmarks.table import Row
from benchmarks.timing import alternate, limited
from sweepjax.keys import realization_keys
from sweepjax.models.quadratic_modular import QuadraticModular
from sweepjax.sweep.sweep import Sweep

MODEL = QuadraticModular(p=23, width=128, fraction=0.5)
SOLVER = {"learning_rate": 0.01, "b1": 0.9, "b2": 0.98, "weight_decay": 1.0}
STEPS, TIMED, SIDE_BY_SIDE = 1000, 100, 32  # of a row of ours, those that a peer is timed for, and its models at once
ENDS = {"PyTorch loop, autograd, AdamW, one at a time": 4, f"torch.func, vmap of {SIDE_BY_SIDE} at once, AdamW": 1.5}


class Quadratic(torch.nn.Module):
    """The network as its authors write it: one-hot codes, two linear layers, a square between them."""

    def __init__(self, first: np.ndarray, second: np.ndarray) -> None:
        super().__init__()
        self.first, self.second = (torch.nn.Parameter(torch.tensor(each)) for each in (first, second))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores of inputs."""
        return (x @ self.first) ** 2 @ self.second


class Draw:
    """One realization of ours, as PyTorch takes it."""

    def __init__(self, realization: int) -> None:
        with jax.enable_x64(True):
            keys = realization_keys(MODEL, np.uint32(0), np.uint32(realization))
            data = jax.jit(MODEL.sample)(keys.data)
            start = MODEL.init(keys.init, data)
        pairs = np.flatnonzero(data.train)
        one_hot = np.eye(MODEL.p, dtype=np.float32)
        a, b = np.divmod(pairs, MODEL.p)
        self.x = torch.tensor(np.concatenate([one_hot[a], one_hot[b]], axis=1))
        self.y = torch.tensor(one_hot[np.asarray(data.label)[pairs]])
        self.network = Quadratic(np.concatenate([start.u, start.v]), np.asarray(start.w).T.copy())


def modular(effort: Effort) -> list[Row]:
    """Train networks of modular addition, whole rows of ours against steps of PyTorch."""
    steps, timed = (STEPS // 20, 5) if effort.short else (STEPS, TIMED)
    count = effort.count(SIDE_BY_SIDE)
    asked = {"model": "quadratic_modular", "solver": "adamw", "until": float(steps), "record": f"0,{timed},{steps}"}
    (chunk,) = Sweep.from_toml(asked | SOLVER | {"realizations": count}).chunks(count)
    draws = [Draw(realization) for realization in range(count)]
    peers = dict(zip(ENDS, (lambda: one_by_one(draws[:4], timed), lambda: side_by_side(draws, timed)), strict=True))
    rows = []
    for (name, theirs), done in zip(peers.items(), (min(4, count), count), strict=True):
        pair = alternate(lambda: ENGINE.compute(chunk), _with_all_cores(theirs), effort.repetitions(5))
        share = product_share(MODEL, count, steps, pair.medians[0])
        pair = pair.per(count, done * timed / steps)
        loss = pair.our_answer["train_loss"].values[0][1]
        row = compared(f"modular addition, p = 23, width = 128, {steps} steps", pair, 1, name, ENDS[name])
        note = f"the peer: {timed} steps timed, as if {steps}; errors are of the loss after {timed}"
        error = abs(pair.their_answer / float(loss) - 1)
        rows.append(row._replace(error=error, share=share, draws=count, note=note))
    return rows


JOBS = {"modular": modular}


def one_by_one(draws: list[Draw], steps: int) -> float:
    """Train one network after the other, and return the loss of the first."""
    losses = []
    for draw in draws:
        network = Quadratic(*(each.detach().numpy().copy() for each in draw.network.parameters()))
        optimiser = torch.optim.AdamW(network.parameters(), **_torch_options())
        for _ in range(steps):
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(network(draw.x), draw.y).backward()
            optimiser.step()
        losses.append(float(torch.nn.functional.mse_loss(network(draw.x), draw.y)))
    return losses[0]


def side_by_side(draws: list[Draw], steps: int) -> float:
    """Train all networks at once by a gradient that is mapped over them, and return the loss of the first."""
    stacked, _ = stack_module_state([draw.network for draw in draws])  # pyright: ignore[reportArgumentType]
    params = {name: each.detach().clone().requires_grad_() for name, each in stacked.items()}
    x, y = torch.stack([draw.x for draw in draws]), torch.stack([draw.y for draw in draws])
    network = draws[0].network

    def loss(params: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.mse_loss(functional_call(network, params, (x,)), y)

    slopes, optimiser = vmap(grad(loss)), torch.optim.AdamW(params.values(), **_torch_options())
    for _ in range(steps):
        for name, slope in slopes(params, x, y).items():
            params[name].grad = slope
        optimiser.step()
    return float(loss({name: each[0] for name, each in params.items()}, x[0], y[0]))


def _torch_options() -> dict[str, Any]:
    return {"lr": SOLVER["learning_rate"], "betas": (0.9, 0.98), "weight_decay": SOLVER["weight_decay"], "eps": 1e-8}


def _with_all_cores(work: Callable[[], float]) -> Callable[[], float]:
    def limited_work() -> float:
        with limited(len(ENGINE.devices)):
            return work()

    return limited_work
