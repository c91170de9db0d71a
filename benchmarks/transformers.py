"""The job of small transformers: many trainings of modular addition, one program against PyTorch in two ways."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch
from torch.func import grad, vmap

from benchmarks.jobs import Effort, compared, product_share
from benchmarks.kernel import ENGINE
from benchmarks.table import Row
from benchmarks.timing import alternate, limited
from sweepjax.keys import realization_keys
from sweepjax.models.transformer_modular import TransformerModular
from sweepjax.sweep.sweep import Sweep

MODEL = TransformerModular(p=31, width=64, fraction=0.5)
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


def transformers(effort: Effort) -> list[Row]:
    """Train small transformers, whole rows of ours against steps of PyTorch."""
    steps, timed = (STEPS // 20, 2) if effort.short else (STEPS, TIMED)
    count = effort.count(COUNT)
    fields = {name: getattr(MODEL, name) for name in ("p", "width", "fraction")}
    asked = {"model": "transformer_modular", "solver": "adamw", "until": float(steps), "record": f"0,{timed},{steps}"}
    (chunk,) = Sweep.from_toml(asked | fields | SOLVER | {"realizations": count}).chunks(count)
    draws = [Draw(realization) for realization in range(count)]
    peers = dict(zip(ENDS, (lambda: one_by_one(draws[:4], timed), lambda: side_by_side(draws, timed)), strict=True))
    rows = []
    for (name, theirs), done in zip(peers.items(), (min(4, count), count), strict=True):
        pair = alternate(lambda: ENGINE.compute(chunk), _with_all_cores(theirs), effort.repetitions(5))
        share = product_share(MODEL, count, steps, pair.medians[0])
        pair = pair.per(count, done * timed / steps)
        loss = pair.our_answer["train_loss"].values[0][1]
        row = compared(f"transformer, p = 31, width = 64, {steps} steps", pair, 1, name, ENDS[name])
        note = f"the peer: {timed} steps timed, as if {steps}; errors are of the loss after {timed}"
        error = abs(pair.their_answer / float(loss) - 1)
        rows.append(row._replace(error=error, share=share, draws=count, note=note))
    return rows


JOBS = {"transformers": transformers}


def one_by_one(draws: list[Draw], steps: int) -> float:
    """Train one network after the other, and return the loss of the first."""
    losses = []
    for draw in draws:
        weights = {name: each.clone().requires_grad_() for name, each in draw.weights.items()}
        optimiser = torch.optim.AdamW(weights.values(), **_options())
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
    slopes, optimiser = vmap(grad(loss_of)), torch.optim.AdamW(weights.values(), **_options())
    for _ in range(steps):
        for name, slope in slopes(weights, tokens, label).items():
            weights[name].grad = slope
        optimiser.step()
    return float(loss_of({name: each[0] for name, each in weights.items()}, tokens[0], label[0]))


def _options() -> dict[str, Any]:
    return {"lr": SOLVER["learning_rate"], "betas": (0.9, 0.98), "weight_decay": SOLVER["weight_decay"], "eps": 1e-8}


def _with_all_cores(work: Callable[[], float]) -> Callable[[], float]:
    def limited_work() -> float:
        with limited(len(ENGINE.devices)):
            return work()

    return limited_work
