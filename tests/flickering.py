"""A model that is none of ours: a number that grows by 1 a step, and is right at every `period`th step alone."""

import jax.numpy as jnp

import sweepjax as sj


@sj.plugin
class Blinker:
    """The number is right when the `period` divides it, from `period` on."""

    period: float = sj.parameter(251.0, above=0)

    def sample(self, key):
        return jnp.float64(0)

    def init(self, key, data):
        return jnp.float64(0)

    def training_loss(self, params, data, batch=None):
        return -params

    def metrics(self, params, data):
        return {"train_loss": -params, "right": jnp.where(self._right(params), 1.0, 0.0)}

    def crossings(self, params, data):
        return {"t_right": jnp.where(self._right(params), 0.0, -1.0), "t_late": params - 290}

    def _right(self, params):
        return (params > 0) & (jnp.abs(params % self.period) < 0.5)
