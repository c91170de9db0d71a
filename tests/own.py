"""A model that is none of ours: least squares, with all that a model may say once a row."""

import jax
import jax.numpy as jnp

import sweepjax as sj


@sj.plugin
class Own:
    """Samples x with |x·θ|² to be small."""

    points: int = sj.parameter(6)
    scale: float = sj.parameter(1.0, above=0)

    def sample(self, key):
        return self.scale * jax.random.normal(key, (self.points, 4), jnp.float32)

    def init(self, key, data):
        return jax.random.normal(key, (4,), jnp.float64)

    def training_loss(self, params, data, batch=None):
        return jnp.mean(((data if batch is None else data[batch]) @ params) ** 2)

    def metrics(self, params, data):
        return {"train_loss": self.training_loss(params, data), "norm": jnp.linalg.norm(params)}

    def facts(self, data, start):
        spectrum = jnp.linalg.svd(data.astype(jnp.float64), compute_uv=False)
        return {"rank": jnp.sum(spectrum > 1e-6), "spectrum": spectrum, "late": (spectrum[0], spectrum[0] > 3)}
