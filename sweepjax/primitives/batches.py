"""How models draw minibatches."""

import jax
from jaxtyping import Array, Int, Key


def with_replacement(key: Key[Array, ""], samples: int, size: int) -> Int[Array, " size"]:
    """Return the indices of `size` of the samples, each of them drawn from all."""
    return jax.random.randint(key, (size,), 0, samples)
