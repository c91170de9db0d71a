"""Models whose loss is quadratic: the flow in closed form, for solver `exact`."""

from typing import Any

import jax
from jaxtyping import Array, Float

from sweepjax.primitives.quadratic import Modes, Quadratic, flow_spans, modes, moved


class QuadraticLoss:
    """A model whose subclass says what its loss is, and whose parameters are one array."""

    def quadratic(self, data: Any) -> Quadratic:
        """Return the Hessian and the pull of the training loss."""
        raise NotImplementedError

    def prepare(self, start: Any, data: Any) -> tuple[Any, Modes]:
        (theta,) = jax.tree.leaves(start)
        return start, modes(self.quadratic(data), theta)

    def solution(self, prepared: tuple[Any, Modes], time: Float[Array, ""]) -> Any:
        start, each = prepared
        return jax.tree.unflatten(jax.tree.structure(start), [moved(each, flow_spans(each.rates, time))])
