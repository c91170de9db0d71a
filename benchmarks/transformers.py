"""The job of small transformers: many trainings of modular addition, one program against PyTorch in two ways."""

import jax
import numpy as np
import torch
from torch.func import grad, vmap

from benchmarks.jobs import Effort
from benchmarks.table import Row
from benchmarks.trainings import Trainings, held, torch_options
from sweepjax.keys import realization_keys
from sweepjax.models.transformer_modular import TransformerModular

FIELDS = {"p": 31, "width": 64, "fraction": 0.5}
MODEL = TransformerModular(**FIELDS)
SOLVER = {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.98, "weight_decay": 1.0}
STEPS, TIMED, COUNT = 200, 10, 16  # of a row of ours, those that a peer is timed for, and networks
ENDS = {"PyTorch loop, autograd, AdamW, one at a time": 1.5, f"torch.func, vmap of {COUNT} at once, AdamW": 1.5}
Weights = dict[str, torch.Tensor]


class Draw:
    """One realization of ours, as PyTorch takes it."""

    def __init__(self, realization: int) -> None:
        with jax.enable_x64(True):
            keys = realization_keys(MODEL, np.uint32(0), np.uint32(realization))
            data = jax.jit(MODEL.sample)(keys.data)
            start = jax.jit(MODEL.init)(keys.init, data)
        pairs, (layer,) = np.flatnonzero(data.train), start.layers
        a, b = np.divmod(pairs, MODEL.p)
        self.tokens = torch.tensor(np.stack([a, b, np.full_like(a, MODEL.p)], axis=1))
        self.label = torch.tensor(np.asarray(data.label)[pairs]).long()
        leaves = {"embedding": start.embedding, "positions": start.positions[:3], "head": start.head, "up": layer.up}
        leaves |= dict(zip(("query", "key", "value", "out"), layer.attention, strict=True))
        leaves |= {"down": layer.down, "up_bias": layer.biases[0], "down_bias": layer.biases[1]}
        self.weights = {name: torch.tensor(np.array(leaf)) for name, leaf in leaves.items()}


def loss_of(weights: Weights, tokens: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Return the cross entropy after `=`, by matrices of all tokens and a causal mask."""
    x = torch.nn.functional.embedding(tokens, weights["embedding"]) + weights["positions"]
    count = tokens.shape[1]
    query, key, value = (
        (x @ weights[name]).unflatten(-1, (MODEL.heads, -1)).transpose(1, 2) for name in ("query", "key", "value")
    )
    fits = query @ key.transpose(2, 3) / (MODEL.width / MODEL.heads) ** 0.5
    later = torch.ones(count, count, dtype=torch.bool).triu(1)
    seen = torch.softmax(fits.masked_fill(later, -torch.inf), dim=3) @ value
    x = x + seen.transpose(1, 2).flatten(2) @ weights["out"]
    x = x + torch.relu(x @ weights["up"] + weights["up_bias"]) @ weights["down"] + weights["down_bias"]
    return torch.nn.functional.cross_entropy(x[:, -1] @ weights["head"], label)


def one_by_one(draws: list[Draw], steps: int) -> float:
    """Train one network after the other, and return the loss of the first."""
    losses = []
    for draw in draws:
        weights = {name: each.clone().requires_grad_() for name, each in draw.weights.items()}
        optimiser = torch.optim.AdamW(weights.values(), **torch_options(SOLVER))
        for _ in range(steps):
            optimiser.zero_grad()
            loss_of(weights, draw.tokens, draw.label).backward()
            optimiser.step()
        losses.append(float(loss_of(weights, draw.tokens, draw.label)))
    return losses[0]


def side_by_side(draws: list[Draw], steps: int) -> float:
    """Train all networks at once by a gradient that is mapped over them, and return the loss of the first."""
    stacked = {name: torch.stack([draw.weights[name] for draw in draws]) for name in draws[0].weights}
    weights = {name: each.requires_grad_() for name, each in stacked.items()}
    tokens, label = (torch.stack([getattr(draw, name) for draw in draws]) for name in ("tokens", "label"))
    slopes, optimiser = vmap(grad(loss_of)), torch.optim.AdamW(weights.values(), **torch_options(SOLVER))
    for _ in range(steps):
        for name, slope in slopes(weights, tokens, label).items():
            weights[name].grad = slope
        optimiser.step()
    return float(loss_of({name: each[0] for name, each in weights.items()}, tokens[0], label[0]))


def transformers(effort: Effort) -> list[Row]:
    """Train small transformers, whole rows of ours against steps of PyTorch."""
    sweep = {"model": "transformer_modular", "solver": "adamw"} | FIELDS | SOLVER
    title, peers = "transformer, p = 31, width = 64", (one_by_one, side_by_side)
    return held(Trainings(title, MODEL, sweep, STEPS, TIMED, COUNT, Draw, peers, ENDS), effort)


JOBS = {"transformers": transformers}
