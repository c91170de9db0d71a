"""What networks are measured by: accuracies, their first crossings, and norms."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sweepjax.types import Columns, Params

LEVELS = {"50": 0.5, "99": 0.99}


def share(values: Array, where: Bool[Array, " n"]) -> Float[Array, ""]:
    """Return the mean of values over the samples of a mask, in float64 where they are truth values."""
    kind = jnp.float64 if values.dtype == jnp.bool_ else values.dtype
    return jnp.sum(jnp.where(where, values, 0), dtype=kind) / jnp.sum(where, dtype=kind)


def judged(truth: Bool[Array, " n"], scores: Float[Array, "n ..."]) -> Float[Array, " n"]:
    """Return truth values about samples as numbers, and nan where a score is: a network that is lost says nothing."""
    # The largest of many scores is not nan on a CPU where one of them is.
    lost = jnp.any(jnp.isnan(scores), axis=tuple(range(1, scores.ndim)))
    return jnp.where(lost, jnp.nan, truth.astype(jnp.float64))


def accuracy_of(truth: Bool[Array, " n"], scores: Float[Array, "n ..."]) -> Float[Array, ""]:
    """Return the share of samples about which something is true, in float64; nan where a score is."""
    return jnp.mean(judged(truth, scores))


def crossings(train: Float[Array, ""], test: Float[Array, ""]) -> Columns:
    """Return how far accuracies are above 50 % and 99 %, by the names of the columns that say when they get there."""
    accuracies = {"train": train, "test": test}
    return {f"t_{side}_{name}": each - level for side, each in accuracies.items() for name, level in LEVELS.items()}


def flips(relative: float, samples: int) -> dict[str, float]:
    """Return how far accuracies of so many samples may be apart: a few of them lie at the border of two classes."""
    few = 4 / samples + relative
    return {"train_accuracy": few, "test_accuracy": few}


def right(scores: Float[Array, " n"], labels: Float[Array, " n"]) -> Float[Array, ""]:
    """Return the share of labels ±1 that scores have the sign of; a score of 0 counts half."""
    return jnp.mean((1 + jnp.sign(scores * labels)) / 2, dtype=jnp.float64)


def norm(params: Params) -> Float[Array, ""]:
    """Return the Euclidean norm of all parameters together, without squares that underflow."""
    largest = jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(params)]).max()
    scale = jnp.where(largest > 0, largest, 1)
    return scale * jnp.sqrt(sum(jnp.sum((leaf / scale) ** 2) for leaf in jax.tree.leaves(params)))


def square_norm(params: Params) -> Float[Array, ""]:
    """Return the sum of the squares of all parameters, whose gradient is twice the parameters."""
    return jnp.sum(jnp.stack([jnp.sum(leaf**2) for leaf in jax.tree.leaves(params)]))
