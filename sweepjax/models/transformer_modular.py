"""A transformer that learns modular arithmetic from a part of the table: the network in which grokking was seen first.

Source:
    Power, Burda, Edwards, Babuschkin, Misra (2022), arXiv 2201.02177; Liu, Michaud, Tegmark (2022), "Omnigrok", arXiv
    2210.01117, whose one-layer variant is the default; Notsawo, Zhou, Pezeshki, Rish, Dumas (2023), arXiv 2306.13253.
"""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._accuracy import norm, share
from sweepjax.models._modular import ModularTable, Table, mean_by_blocks
from sweepjax.models._operations import OPERATIONS, operation
from sweepjax.types import Columns, parameter, plugin

Norm = tuple[Float[Array, " w"], Float[Array, " w"]]  # scale and shift


class Layer(NamedTuple):
    """One layer, with biases or else with layer norms."""

    attention: Float[Array, "4 w w"]  # queries, keys, values, and what is made of them
    up: Float[Array, "w m"]
    down: Float[Array, "m w"]
    biases: tuple[Float[Array, " m"], Float[Array, " w"]] | None  # of up and down
    norms: tuple[Norm, Norm] | None  # after attention and after the ReLU layer


class Network(NamedTuple):
    """Tokens, trained positions if there are any, layers, and the head where it is not the tokens again."""

    embedding: Float[Array, "v w"]
    positions: Float[Array, "s w"] | None
    layers: tuple[Layer, ...]
    head: Float[Array, "w v"] | None


@plugin
class TransformerModular(ModularTable):
    """A decoder of the pairs of an operation modulo p; its columns are of the result, the token after `=`.

    It reads `a b =` with trained positions (`short`) or `<eos> a ∘ b =` with sines (`whole`), and is trained on the
    result or on the right side, result and end. With `post` layer norms there are no biases. Weights start normal of
    variance 1/width, of an untied head 1/tokens, times `init_scale`. Of `underflow` pairs the loss is rounded to 0.
    """

    p: int = parameter(113, at_least=2)
    layers: int = parameter(1, at_least=1)
    heads: int = parameter(4, at_least=1)
    width: int = parameter(128, at_least=1)
    fraction: float = parameter(0.3, above=0, below=1, symbol="r")
    init_scale: float = parameter(1.0, above=0, symbol="α")
    operation: str = parameter("a+b", choices=OPERATIONS)
    head: str = parameter("untied", choices=("untied", "tied"), draws=False)
    layer_norm: str = parameter("none", choices=("none", "post"), draws=False)
    loss_on: str = parameter("result", choices=("result", "right"), draws=False)
    equation: str = parameter("short", choices=("short", "whole"), draws=False)
    precision: str = parameter("float32", choices=("float32", "float64"), draws=False)
    word: ClassVar[str] = "transformer"

    def check(self) -> None:
        operation(self.operation, self.p)
        if self.width % self.heads:
            raise ValueError(f"width = {self.width} cannot be shared by {self.heads} heads; give a multiple of them")

    def init(self, key: Key[Array, ""], data: Table) -> Network:
        w, tokens = self.width, self.table.kinds + (1 if (self.equation, self.loss_on) == ("short", "result") else 3)
        keys, scale = iter(jax.random.split(key, 3 + 3 * self.layers)), jnp.asarray(self.init_scale, jnp.float32)

        def normal(*shape: int, variance: float = 1 / w) -> Array:
            drawn = scale * np.float32(variance**0.5) * jax.random.normal(next(keys), shape, jnp.float32)
            return drawn.astype(self.precision)

        embedding, places, head = normal(tokens, w), normal(4, w), normal(w, tokens, variance=1 / tokens)
        biases = jnp.zeros(4 * w, self.precision), jnp.zeros(w, self.precision)
        plain = jnp.ones(w, self.precision), biases[1]
        ends = (biases, None) if self.layer_norm == "none" else (None, (plain, plain))
        layers = (Layer(normal(4, w, w), normal(w, 4 * w), normal(4 * w, w), *ends) for _ in range(self.layers))
        positions = places if self.equation == "short" else None
        return Network(embedding, positions, tuple(layers), None if self.head == "tied" else head)

    def scores(self, params: Network, pairs: Int[Array, " m"] | None = None) -> Float[Array, "m k"]:
        return self._answers(params, jnp.arange(self.table.result.size) if pairs is None else pairs)[0]

    def loss_of(self, scores: Float[Array, "m k"], label: Int[Array, " m"]) -> Float[Array, " m"]:
        code = jnp.arange(scores.shape[1]) == label[:, None]
        return -jnp.sum(jnp.where(code, jax.nn.log_softmax(scores), 0), axis=1)

    def training_loss(self, params: Network, data: Table, batch: Array | None = None) -> Float[Array, ""]:
        def losses(pairs: Int[Array, " m"]) -> Float[Array, " m"]:
            label, end = data.label[pairs], jnp.full(pairs.shape, self.table.kinds + 1)
            answers = self._answers(params, pairs, None if self.loss_on == "result" else label)
            return jnp.mean(jnp.stack([*map(self.loss_of, answers, (label, end))]), axis=0)

        return mean_by_blocks(losses, data) if batch is None else jnp.mean(losses(batch))

    def embedding(self, params: Network) -> Float[Array, "k w"]:
        return params.embedding[: self.table.kinds]

    def metrics(self, params: Network, data: Table) -> Columns:
        none = self.loss_of(self.scores(params), data.label) == 0
        sizes = {"norm": norm(params), "head_norm": norm(params.embedding if params.head is None else params.head)}
        return super().metrics(params, data) | sizes | {"underflow": share(none, data.train)}

    def _answers(self, params: Network, pairs: Int[Array, " m"], result: Array | None = None) -> list[Array]:
        """Return the scores of what follows `=`, and of what follows the result if that is read, too."""
        equals, end, sign = (self.table.kinds + k for k in range(3))
        a, b = jnp.asarray(self.table.a)[pairs], jnp.asarray(self.table.b)[pairs]
        read = (a, b, equals) if self.equation == "short" else (end, a, sign, b, equals)
        tokens = [self._read(params, place, token) for place, token in enumerate(read)]
        tokens += [] if result is None else [self._read(params, len(read), result)]
        for layer in params.layers[:-1]:
            tokens = self._layer(layer, tokens, len(tokens))
        head = params.embedding.T if params.head is None else params.head
        return [x @ head for x in self._layer(params.layers[-1], tokens, 1 if result is None else 2)]

    def _read(self, params: Network, place: int, token: Any) -> Float[Array, "m w"]:
        """Return the vectors of a token at its place: of each pair, or one for all."""
        angles = place / 10_000 ** (np.arange(0, self.width, 2) / self.width)
        sines = np.stack([np.sin(angles), np.cos(angles)], axis=1).ravel()[: self.width]
        position = jnp.asarray(sines, self.precision) if params.positions is None else params.positions[place]
        code = jax.nn.one_hot(jnp.atleast_1d(token), len(params.embedding), dtype=self.precision)
        return code @ params.embedding + position

    def _layer(self, layer: Layer, tokens: list[Array], last: int) -> list[Array]:
        """Return what a layer makes of the last few tokens, each of which looks at itself and those before it."""
        found, split = list[Array](), (-1, self.heads, self.width // self.heads)
        queries, keys, values = ([(x @ each).reshape(split) for x in tokens] for each in layer.attention[:3])
        for place in range(len(tokens) - last, len(tokens)):
            asked = queries[place] / np.sqrt(self.width / self.heads).astype(self.precision)
            fits = [jnp.sum(asked * key, axis=2, keepdims=True) for key in keys[: place + 1]]
            weights = jax.nn.softmax(jnp.stack(jnp.broadcast_arrays(*fits)), axis=0)
            seen = jnp.asarray(sum(weight * value for weight, value in zip(weights, values, strict=False)))
            x = tokens[place] + seen.reshape(-1, self.width) @ layer.attention[3]
            x = x if layer.norms is None else _normed(x, layer.norms[0])
            first, second = layer.biases or (0, 0)
            x = x + jax.nn.relu(x @ layer.up + first) @ layer.down + second
            found.append(x if layer.norms is None else _normed(x, layer.norms[1]))
        return found


def _normed(x: Float[Array, "m w"], norms: Norm) -> Float[Array, "m w"]:
    """Return vectors of mean 0 and variance 1 (1e-5 is added to that before), scaled and shifted."""
    x = x - jnp.mean(x, axis=1, keepdims=True)
    return x * lax.rsqrt(jnp.mean(x**2, axis=1, keepdims=True) + 1e-5) * norms[0] + norms[1]
