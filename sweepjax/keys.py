"""The one door of randomness: (seed, model, realization) -> keys.

A dataset depends on nothing else: not on float fields (so that different σ see the same noise),
nor on solver, chunk, batch width, device, worker or order.
"""

import dataclasses
import hashlib
import json
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Key, UInt32

from sweepjax.identity import name_of, unused
from sweepjax.primitives.threefry import THREEFRY
from sweepjax.types import field_types


class Keys(NamedTuple):
    """The independent streams of one realization."""

    data: Key[Array, ""]
    init: Key[Array, ""]
    batches: Key[Array, ""]


def realization_keys(model: Any, seed: UInt32[ArrayLike, ""], realization: UInt32[ArrayLike, ""]) -> Keys:
    """Return the streams of one realization of a model."""
    return keys_of(fingerprint(model), seed, realization)


def keys_of(
    fingerprint: UInt32[ArrayLike, ""], seed: UInt32[ArrayLike, ""], realization: UInt32[ArrayLike, ""]
) -> Keys:
    """Return the streams of one realization of the model that has this fingerprint."""
    # As jax.random.key makes it, but for an offset that a variable of the environment may add to every seed.
    key = jax.random.wrap_key_data(jnp.stack([jnp.uint32(0), jnp.asarray(seed, jnp.uint32)]), impl=THREEFRY)
    key = jax.random.fold_in(key, fingerprint)
    return Keys(*jax.random.split(jax.random.fold_in(key, realization), 3))


def restored(data: UInt32[Array, "2"]) -> Key[Array, ""]:
    """Return the key that `jax.random.key_data` made these two words of."""
    return jax.random.wrap_key_data(data, impl=THREEFRY)


def plain(leaf: Any) -> Any:
    """Return the words of random keys, and anything else as it is."""
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def like(words: Any, leaf: Any) -> Any:
    """Return what `plain` has made words of, given an array of its kind."""
    keys = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.wrap_key_data(jnp.asarray(words), impl=jax.random.key_impl(leaf)) if keys else words


def fingerprint(model: Any) -> int:
    """Hash what changes a draw besides the seed: the model's name, its integers, texts and truth values."""
    types = field_types(type(model))
    drawing = [field for field in dataclasses.fields(model) if types[field.name] is not float and _draws(field)]
    known = {field: getattr(model, field.name) for field in drawing}
    shape = {field.name: value for field, value in known.items() if not unused(field, [value])}
    text = json.dumps([name_of(model), shape], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def _draws(field: dataclasses.Field) -> bool:
    allowed = field.metadata.get("allowed")
    return allowed is None or allowed.draws
