"""Modules of flax and equinox as the parameters of a model."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweepjax as sj


class Net(eqx.Module):
    """Two layers."""

    inner: eqx.nn.Linear
    outer: eqx.nn.Linear

    def __call__(self, x):
        return self.outer(jnp.tanh(self.inner(x)))[0]


class Regression:
    """Points on a random plane, fitted by a network."""

    def sample(self, key):
        x = jax.random.normal(key, (20, 3), jnp.float32)
        return x, x[:, 0] - x[:, 1]

    def training_loss(self, params, data, batch=None):
        return jnp.mean((self.output(params, data[0]) - data[1]) ** 2)

    def metrics(self, params, data):
        return {"train_loss": self.training_loss(params, data)}


@sj.plugin
class Equinox(Regression):
    """A module of equinox is the parameters."""

    width: int = sj.parameter(4, at_least=1)

    def init(self, key, data):
        first, second = jax.random.split(key)
        return Net(
            eqx.nn.Linear(3, self.width, key=first, dtype=jnp.float32),
            eqx.nn.Linear(self.width, 1, key=second, dtype=jnp.float32),
        )

    def output(self, params, x):
        return jax.vmap(params)(x)


@sj.plugin
class Flax(Regression):
    """The variables of a module of flax are the parameters."""

    width: int = sj.parameter(4, at_least=1)

    @property
    def net(self):
        return nn.Sequential([nn.Dense(self.width), jnp.tanh, nn.Dense(1)])

    def init(self, key, data):
        return self.net.init(key, data[0])

    def output(self, params, x):
        return self.net.apply(params, x)[:, 0]


@pytest.mark.slow
@pytest.mark.parametrize("model", [pytest.param(Equinox, marks=pytest.mark.slow), Flax])
@pytest.mark.parametrize("solver", ["adam", pytest.param("gradient_descent", marks=pytest.mark.slow)])
def test_a_module_is_trained_and_recorded(model, solver):
    rows = sj.run(model=model, solver=solver, learning_rate=0.03, realizations=3, until=100, record="3", width="2,4")
    losses = np.stack(rows["train_loss"])
    assert (losses[:, -1] < losses[:, 0]).all()
