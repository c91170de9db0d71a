"""How far the bias has outgrown the direction."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from sweepjax.observables._path import part


def bias_ratio(model: Any, data: Any, params: Any) -> Float[Array, " t"]:
    """Ratio |b|/‖S‖ of bias and direction; nan at S = b = 0.

    The population accuracy is Φ(|b|/σ‖S‖) for b < 0 and one label. The ratio tends to 1/M on separable
    draws of margin M, with corrections of order 1/log t, and grows like log t on all others.
    """
    b = part(params, "b", observable="bias_ratio", model=model)
    s = part(params, "s", observable="bias_ratio", model=model)
    return jnp.abs(b) / jnp.linalg.norm(s, axis=1)
