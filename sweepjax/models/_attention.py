"""A layer of a transformer: attention to the tokens before, and a ReLU layer."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

Norm = tuple[Float[Array, " w"], Float[Array, " w"]]  # scale and shift


class Layer(NamedTuple):
    """One layer, with biases or else with layer norms."""

    attention: Float[Array, "4 w w"]  # queries, keys, values, and what is made of them
    up: Float[Array, "w m"]
    down: Float[Array, "m w"]
    biases: tuple[Float[Array, " m"], Float[Array, " w"]] | None  # of up and down
    norms: tuple[Norm, Norm] | None  # after attention and after the ReLU layer


class Place(NamedTuple):
    """The vectors at one place of every text: one that all share, one each, or by a code the rows of a table.

    What is linear is done to the table, which is small, before its rows are read.
    """

    rows: Float[Array, "k w"]
    code: Float[Array, "m k"] | None = None

    @property
    def shared(self) -> bool:
        """Whether all texts have the same vector here."""
        return self.code is None and len(self.rows) == 1

    def times(self, matrix: Float[Array, "w v"]) -> "Place":
        """Multiply each vector by a matrix."""
        return self._replace(rows=self.rows @ matrix)

    def read(self) -> Float[Array, "m w"]:
        """Return the vector of each text."""
        return self.rows if self.code is None else self.code @ self.rows


def layer_of(layer: Layer, text: list[Place], heads: int, last: int) -> list[Place]:
    """Return what a layer makes of the last few places of a text."""
    found = list[Place]()
    for place, seen in zip(text[-last:], _attention(layer.attention, text, heads, last), strict=True):
        x = place.read() + seen @ layer.attention[3]
        x = x if layer.norms is None else _normed(x, layer.norms[0])
        first, second = layer.biases or (0, 0)
        x = x + jax.nn.relu(x @ layer.up + first) @ layer.down + second
        found.append(Place(x if layer.norms is None else _normed(x, layer.norms[1])))
    return found


def _attention(matrices: Float[Array, "4 w w"], text: list[Place], heads: int, last: int) -> list[Float[Array, "m w"]]:
    """Return the mean value that each of the last few places sees; it looks at itself and those before it."""
    query, key, value, _ = matrices
    w = len(query)
    asked = [place.times(query / np.sqrt(w / heads).astype(query.dtype)) for place in text[-last:]]
    # How well a key fits a query that all texts share is linear in what the key is made of.
    fits = [key @ _by_head(each.rows, heads) for each in asked if each.shared]
    fits += [] if all(each.shared for each in asked) else [key]
    every = jnp.concatenate([value, *fits], axis=1)
    known = [place.times(every).read() for place in text]
    found, shared = list[Array](), 0
    for count, each in enumerate(asked, len(text) - last + 1):
        if each.shared:
            start = w + shared * heads
            fit = [x[:, start : start + heads] for x in known[:count]]
            shared += 1
        else:
            own = each.read()
            fit = [jnp.sum((own * x[:, -w:]).reshape(-1, heads, w // heads), axis=2) for x in known[:count]]
        found.append(_mean(fit, [x[:, :w] for x in known[:count]]))
    return found


def _by_head(vector: Float[Array, "1 w"], heads: int) -> Float[Array, "w h"]:
    """Return a vector in columns, in each the part of one head."""
    own = np.kron(np.eye(heads, dtype=bool), np.ones((vector.size // heads, 1), dtype=bool))
    return jnp.where(own, vector.T, 0)


def _mean(fits: list[Float[Array, "m h"]], values: list[Float[Array, "m w"]]) -> Float[Array, "m w"]:
    """Return the mean of values, weighted in each head by how well they fit."""
    weights = jax.nn.softmax(jnp.stack(jnp.broadcast_arrays(*fits)), axis=0)[..., None]
    split = (x.reshape(len(x), weights.shape[2], -1) for x in values)
    seen = jnp.asarray(sum(weight * value for weight, value in zip(weights, split, strict=True)))
    return seen.reshape(len(seen), -1)


def _normed(x: Float[Array, "m w"], norms: Norm) -> Float[Array, "m w"]:
    """Return vectors of mean 0 and variance 1 (1e-5 is added to that before), scaled and shifted."""
    x = x - jnp.mean(x, axis=1, keepdims=True)
    return x * lax.rsqrt(jnp.mean(x**2, axis=1, keepdims=True) + 1e-5) * norms[0] + norms[1]
