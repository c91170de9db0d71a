"""The counter-based generator Threefry-2x32 with its rounds written out.

The numbers are those of JAX's own "threefry2x32" in its partitionable form, whatever flag chooses that form
there. On a CPU JAX rolls the rounds into a loop through memory; written out they stay in registers.

Source:
    Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

import math

import jax.numpy as jnp
from jax import lax
from jax.extend.random import define_prng_impl
from jaxtyping import Array, ArrayLike, UInt, UInt32

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
DTYPES = {8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32, 64: jnp.uint64}


def threefry(
    key: UInt32[Array, "2"], high: UInt32[Array, "*shape"], low: UInt32[Array, "*shape"]
) -> tuple[UInt32[Array, "*shape"], UInt32[Array, "*shape"]]:
    """Encrypt counters of two words each under a key, in twenty rounds."""
    keys = key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(PARITY)
    high, low = high + keys[0], low + keys[1]
    for group in range(1, 6):
        for bits in ROTATIONS[(group - 1) % 2]:
            high = high + low
            low = _rotated(low, bits) ^ high
        high, low = high + keys[group % 3], low + keys[(group + 1) % 3] + jnp.uint32(group)
    return high, low


def _rotated(word: UInt32[Array, "*shape"], bits: int) -> UInt32[Array, "*shape"]:
    return (word << jnp.uint32(bits)) | (word >> jnp.uint32(32 - bits))


def _counted(key: UInt32[Array, "2"], shape: tuple[int, ...]) -> tuple[UInt32[Array, "..."], UInt32[Array, "..."]]:
    """Encrypt the flat index of every element."""
    size = math.prod(shape)
    if size <= 2**32:
        index = lax.iota(jnp.uint32, size).reshape(shape)
        return threefry(key, jnp.zeros_like(index), index)
    index = lax.iota(jnp.uint64, size).reshape(shape)
    return threefry(key, (index >> 32).astype(jnp.uint32), index.astype(jnp.uint32))


def _seed(seed: UInt32[ArrayLike, ""]) -> UInt32[Array, "2"]:
    return jnp.stack([jnp.uint32(0), jnp.asarray(seed, dtype=jnp.uint32)])


def _fold_in(key: UInt32[Array, "2"], data: UInt32[ArrayLike, ""]) -> UInt32[Array, "2"]:
    return jnp.stack(threefry(key, *_seed(data)))


def _split(key: UInt32[Array, "2"], shape: tuple[int, ...]) -> UInt32[Array, "... 2"]:
    return jnp.stack(_counted(key, shape), axis=-1)


def _random_bits(key: UInt32[Array, "2"], bit_width: int, shape: tuple[int, ...]) -> UInt[Array, "..."]:
    def drawn(key: UInt32[Array, "2"]) -> UInt[Array, "..."]:
        high, low = _counted(key, shape)
        if bit_width == 64:
            return (high.astype(jnp.uint64) << 32) | low.astype(jnp.uint64)
        return (high ^ low).astype(DTYPES[bit_width])

    # Always drawn. The compiler fuses nothing into a branch, and twenty rounds in one loop with what is made of the
    # bits are a chain so long that a processor does not overlap those of several elements: half as slow again.
    always = (key[0] | jnp.uint32(1)) > 0
    return lax.cond(always, drawn, lambda key: jnp.zeros(shape, DTYPES[bit_width]), key)


THREEFRY = define_prng_impl(
    key_shape=(2,), seed=_seed, split=_split, random_bits=_random_bits, fold_in=_fold_in, name="sweepjax_threefry2x32"
)
