"""What tests of network models share: one draw of a model, and its gradient against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree


def drawn(model, seed=0):
    """Return a dataset and the parameters at t = 0."""
    with jax.enable_x64(True):
        data = model.sample(jax.random.key(seed))
        return data, model.init(jax.random.key(seed + 1), data)


def columns(model, params, data):
    """Return the metrics as plain numbers."""
    with jax.enable_x64(True):
        return {name: float(value) for name, value in model.metrics(params, data).items()}


def slopes(model, params, data, seed=0):
    """Return the slope of the training loss along a random direction, by its gradient and by differences in float64."""
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), params)
        y, unravel = ravel_pytree(wide)
        direction = jnp.asarray(np.random.default_rng(seed).standard_normal(y.size))
        direction = direction * jnp.linalg.norm(y) / jnp.linalg.norm(direction)

        def loss(step):
            return model.training_loss(unravel(y + step * direction), data)

        step = 1e-5
        return float(jax.grad(loss)(0.0)), float((loss(step) - loss(-step)) / (2 * step))
