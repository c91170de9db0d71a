"""The generator gives the numbers of JAX's own in its partitionable form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweepjax.primitives.threefry import THREEFRY, threefry

SEEDS = (0, 7, 2**32 - 1)


def both(seed, use):
    with jax.enable_x64(True), jax.threefry_partitionable(True):
        return [np.asarray(use(jax.random.key(np.uint32(seed), impl=impl))) for impl in (THREEFRY, "threefry2x32")]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "derive",
    [
        lambda key: key,
        lambda key: jax.random.fold_in(key, np.uint32(2**32 - 5)),
        lambda key: jax.random.split(key, (2, 3)),
    ],
    ids=["key", "fold_in", "split"],
)
def test_derived_keys_are_those_of_jax(seed, derive):
    np.testing.assert_array_equal(*both(seed, lambda key: jax.random.key_data(derive(key))))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_bits_are_those_of_jax(seed, dtype):
    np.testing.assert_array_equal(*both(seed, lambda key: jax.random.bits(key, (5, 7), dtype=dtype)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers_are_those_of_jax(dtype):
    np.testing.assert_array_equal(*both(3, lambda key: jax.random.normal(key, (40, 30), dtype=dtype)))


def test_known_answers():
    # The vectors published with the reference implementation: key, counter, cipher.
    ones, pi = 2**32 - 1, (0x13198A2E, 0x03707344, 0x243F6A88, 0x85A308D3)
    vectors = [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((ones, ones), (ones, ones), (0x1CB996FC, 0xBB002BE7)),
        (pi[:2], pi[2:], (0xC4923A9C, 0x483DF7A0)),
    ]
    for key, counter, cipher in vectors:
        found = threefry(jnp.array(key, dtype="uint32"), *jnp.array(counter, dtype="uint32"))
        assert tuple(map(int, found)) == cipher


def test_counters_beyond_32_bits_use_the_high_word():
    def bits(data):
        return jax.random.bits(jax.random.wrap_key_data(data, impl=THREEFRY), (2**17, 2**16), dtype="uint32")

    with jax.enable_x64(True):
        lowered = jax.jit(bits).lower(jax.ShapeDtypeStruct((2,), "uint32"))
    assert "tensor<8589934592xui64>" in lowered.as_text()
