"""A transformer that learns modular arithmetic from a part of the table: the network in which grokking was seen first.

Source:
    Power, Burda, Edwards, Babuschkin, Misra (2022), arXiv 2201.02177; Liu, Michaud, Tegmark (2022), "Omnigrok", arXiv
    2210.01117, whose one-layer variant is the default; Notsawo, Zhou, Pezeshki, Rish, Dumas (2023), arXiv 2306.13253.
"""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._accuracy import norm, share
from sweepjax.models._attention import Layer, Place, layer_of
from sweepjax.models._modular import ModularTable, Table, mean_by_blocks
from sweepjax.models._operations import OPERATIONS, operation
from sweepjax.types import Columns, parameter, plugin


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

    p: int = parameter(113, at_least=2)  # modulus; S5 has none
    layers: int = parameter(1, at_least=1)  # blocks of attention and feed-forward units
    heads: int = parameter(4, at_least=1)  # of the attention in a block
    width: int = parameter(128, at_least=1)  # numbers of a token
    fraction: float = parameter(0.3, above=0, below=1, symbol="r")  # share of the table that is trained on
    init_scale: float = parameter(1.0, above=0, symbol="α")  # factor of all weights at the start
    operation: str = parameter("a+b", choices=OPERATIONS)  # whose results are learned
    head: str = parameter("untied", choices=("untied", "tied"), draws=False)  # or the embedding again
    layer_norm: str = parameter("none", choices=("none", "post"), draws=False)  # after the parts of a block, or nowhere
    loss_on: str = parameter("result", choices=("result", "right"), draws=False)  # or result and end
    equation: str = parameter("short", choices=("short", "whole"), draws=False)  # `a b =`, or `<eos> a ∘ b =`
    precision: str = parameter("float32", choices=("float32", "float64"), draws=False)  # of weights and arithmetic
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
        def losses(params: Network, data: Table, pairs: Int[Array, " m"]) -> Float[Array, " m"]:
            label, end = data.label[pairs], jnp.full(pairs.shape, self.table.kinds + 1)
            answers = self._answers(params, pairs, None if self.loss_on == "result" else label)
            return jnp.mean(jnp.stack([*map(self.loss_of, answers, (label, end))]), axis=0)

        return mean_by_blocks(losses, params, data) if batch is None else jnp.mean(losses(params, data, batch))

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
        text = [self._read(params, place, token) for place, token in enumerate(read)]
        text += [] if result is None else [self._read(params, len(read), result)]
        for layer in params.layers[:-1]:
            text = layer_of(layer, text, self.heads, len(text))
        head = params.embedding.T if params.head is None else params.head
        last = layer_of(params.layers[-1], text, self.heads, 1 if result is None else 2)
        return [place.read() @ head for place in last]

    def _read(self, params: Network, place: int, token: Any) -> Place:
        """Return the vectors of a token at its place: rows of a table of all tokens, or one where all texts have it."""
        angles = place / 10_000 ** (np.arange(0, self.width, 2) / self.width)
        sines = np.stack([np.sin(angles), np.cos(angles)], axis=1).ravel()[: self.width]
        position = jnp.asarray(sines, self.precision) if params.positions is None else params.positions[place]
        if isinstance(token, int):
            return Place(params.embedding[token : token + 1] + position)
        return Place(params.embedding + position, jax.nn.one_hot(token, len(params.embedding), dtype=self.precision))
