"""Fresh inputs of random signs, 32 of them in a word: a test set of 10^4 inputs of 10^5 features fits into 125 MB."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key, UInt32

from sweepjax.models._linear_model import product

WORD = 32
AT_ONCE = 2**20  # signs that are unpacked at a time


def packed_signs(key: Key[Array, ""], n: int, d: int) -> UInt32[Array, "blocks rows words"]:
    """Draw n inputs of d random signs or a few more, in blocks; none of none."""
    rows = max(1, min(n, AT_ONCE // d))
    return jax.random.bits(key, (-(-n // rows), rows, -(-d // WORD)), jnp.uint32)


def signs(words: UInt32[Array, "*rows words"], d: int) -> Float[Array, "*rows d"]:
    """Return the first d signs of every row, 1 for a bit that is set and -1 for one that is not."""
    bits = (words[..., None] >> jnp.arange(WORD, dtype=jnp.uint32)) & 1
    return (2 * bits.astype(jnp.float32) - 1).reshape(*words.shape[:-1], -1)[..., :d]


def scores(words: UInt32[Array, "blocks rows words"], w: Float[Array, "k d"], n: int) -> Float[Array, "k n"]:
    """Return the products of the first n inputs with each of k vectors w."""

    def block(each: UInt32[Array, "rows words"]) -> Float[Array, "k rows"]:
        x = signs(each, w.shape[1])
        return jax.vmap(lambda v: product(x, v))(w)

    return jnp.moveaxis(lax.map(block, words), 0, 1).reshape(w.shape[0], -1)[:, :n]
