"""The job of networks that grok: many small trainings of modular addition, one program against PyTorch in two ways."""

from typing import Any

import jax
import numpy as np
import torch
from torch.func import functional_call, grad, stack_module_state, vmap

from benchmarks.jobs import Effort
from benchmarks.table import Row
from benchmarks.trainings import Trainings, held, torch_options
from sweepjax.keys import realization_keys
from sweepjax.models.quadratic_modular import QuadraticModular

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


def one_by_one(draws: list[Draw], steps: int) -> float:
    """Train one network after the other, and return the loss of the first."""
    losses = []
    for draw in draws:
        network = Quadratic(*(each.detach().numpy().copy() for each in draw.network.parameters()))
        optimiser = torch.optim.AdamW(network.parameters(), **torch_options(SOLVER))
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

    slopes, optimiser = vmap(grad(loss)), torch.optim.AdamW(params.values(), **torch_options(SOLVER))
    for _ in range(steps):
        for name, slope in slopes(params, x, y).items():
            params[name].grad = slope
        optimiser.step()
    return float(loss({name: each[0] for name, each in params.items()}, x[0], y[0]))


def modular(effort: Effort) -> list[Row]:
    """Train networks of modular addition, whole rows of ours against steps of PyTorch."""
    sweep = {"model": "quadratic_modular", "solver": "adamw"} | SOLVER
    title, peers = "modular addition, p = 23, width = 128", (one_by_one, side_by_side)
    return held(Trainings(title, MODEL, sweep, STEPS, TIMED, SIDE_BY_SIDE, Draw, peers, ENDS), effort)


JOBS = {"modular": modular}
