"""Datasets that are brought instead of drawn, on the same way through the pool as any others."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from sweepjax.primitives import padding
from sweepjax.types import Family, Stacked, parameter, plugin

FEW = 10**7  # numbers of the datasets of a chunk


@plugin
class Given:
    """The rows z_i of Σ exp(z_i·S): n of d numbers each, all of them `x` unless a family brings others."""

    n: int = parameter(1, at_least=1)
    d: int = parameter(1, at_least=1)
    dtype: str = parameter("float32", choices=("float32", "float64"))
    x: float = 0.0
    padded: ClassVar[str] = "d"

    def sample(self, key: Key[Array, ""], used: Int[Array, ""] | None = None) -> Float[Array, "n d"]:
        """Return the dataset itself, which is padded where it is brought."""
        return jnp.broadcast_to(jnp.asarray(self.x, self.dtype), (self.n, self.d))

    def width(self) -> int:
        """Return the columns of the program, as those of a draw of this shape."""
        return padding.width(self.n, self.d)

    def init(self, key: Key[Array, ""], data: Float[Array, "n d"]) -> Float[Array, ""]:
        """Return nothing that anybody needs."""
        return jnp.zeros((), self.dtype)

    def signed_rows(self, data: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """Return the dataset itself."""
        return data


@dataclass(frozen=True, eq=False)
class Brought(Family):
    """A family whose tasks are datasets [r n d]."""

    x: np.ndarray = field(kw_only=True)

    @cached_property
    def stacked(self) -> Stacked:
        """The tasks as arrays; a dataset is one of the model's leaves."""
        task, (r, n, d) = self.tasks[0], self.x.shape
        x = np.pad(self.x, ((0, 0), (0, 0), (0, task.model.width() - d)))
        model = Given(n, d, str(x.dtype), x)  # type: ignore[arg-type]  # as inside of a program
        return Stacked(model, task.solver, np.zeros(r, np.int64))
