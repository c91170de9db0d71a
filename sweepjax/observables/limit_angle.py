"""How far the direction of S is from its limit."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from sweepjax.observables._path import part, require
from sweepjax.plugins import find
from sweepjax.types import Problem


def limit_angle(model: Any, data: Any, params: Any) -> Float[Array, " t"]:
    """Angle in radians between S and its limit for t → ∞, which solver `limit` finds for each dataset.

    The limit is S_∞ on inseparable draws, which S approaches like a power of t down to the error of the
    solver, and the hard-margin direction on separable ones, where the angle falls like 1/log t; of undecided
    draws it is the best guess. nan at S = 0.
    """
    s = part(params, "s", observable="limit_angle", model=model)
    require(hasattr(model, "signed_rows"), "signed_rows", observable="limit_angle", model=model)
    nothing: Any = None  # the limit depends on the data alone
    answer = find("solvers", "limit")().init(Problem(model, data, nothing, nothing))
    limit = jnp.where(answer.separable, answer.margin.w, answer.minimum.s)
    return _angle(s, limit)


def _angle(s: Float[Array, "t d"], limit: Float[Array, " d"]) -> Float[Array, " t"]:
    """Return the angle as exactly as the directions are known: an arc cosine would lose half the digits near 0."""
    u, v = s / jnp.linalg.norm(s, axis=1, keepdims=True), limit / jnp.linalg.norm(limit)
    return 2 * jnp.arctan2(jnp.linalg.norm(u - v, axis=1), jnp.linalg.norm(u + v, axis=1))
