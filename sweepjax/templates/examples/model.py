import jax
import jax.numpy as jnp

import sweepjax as sj


@sj.plugin
class Mine:
    """A two-layer tanh student of a random teacher."""

    n: int = sj.parameter(64, at_least=1)  # samples; integers and texts are shape, floats are traced
    inputs: int = sj.parameter(8, at_least=1)  # features
    width: int = sj.parameter(16, at_least=1)  # hidden units

    def sample(self, key):
        teacher, points = jax.random.split(key)
        x = jax.random.normal(points, (2, self.n, self.inputs), jnp.float32)  # to train on, and to test on
        return x, jnp.tanh(x @ jax.random.normal(teacher, (self.inputs,), jnp.float32) / self.inputs**0.5)

    def init(self, key, data):
        first, second = jax.random.split(key)
        return {
            "a": jax.random.normal(first, (self.inputs, self.width), jnp.float32) / self.inputs**0.5,
            "b": jax.random.normal(second, (self.width,), jnp.float32) / self.width**0.5,
        }

    def errors(self, params, data):
        return jnp.mean((jnp.tanh(data[0] @ params["a"]) @ params["b"] - data[1]) ** 2, axis=1)

    def training_loss(self, params, data, batch=None):
        return self.errors(params, data)[0]

    def metrics(self, params, data):
        train, test = self.errors(params, data)
        return {"train_loss": train, "test_loss": test}
