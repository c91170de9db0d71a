"""A model of yours whose parameters are of several precisions, written with annotations that are texts."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import sweepjax as sj

MIXED = {"wide": jnp.float64, "single": jnp.float32, "half": jnp.float16, "brain": jnp.bfloat16}


@sj.plugin
class Line:
    """Points on a line, fitted by parameters of float64 or, for `mixed`, of every precision there is."""

    points: int = sj.parameter(4, at_least=1)
    scale: float = sj.parameter(1.0)
    mixed: bool = sj.parameter(False, draws=False)

    def sample(self, key):
        return self.scale * jax.random.normal(key, (self.points, 4))

    def init(self, key, data):
        return {name: jnp.ones(1, kind if self.mixed else jnp.float64) for name, kind in MIXED.items()} | {"plain": 0.5}

    def training_loss(self, params, data, batch=None):
        chosen = data if batch is None else data[batch]
        slope = jnp.concatenate([params[name] for name in MIXED])
        return jnp.mean((chosen @ slope - params["plain"]) ** 2)

    def metrics(self, params, data):
        return {"train_loss": self.training_loss(params, data), "brain": params["brain"][0], "half": params["half"][0]}
