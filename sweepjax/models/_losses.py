"""Losses and accuracies of a signed score, which is negative where a sample is classified correctly."""

from collections import OrderedDict

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sweepjax.models import _population as population
from sweepjax.models._accuracy import accuracy_of
from sweepjax.models._linear_model import softplus
from sweepjax.types import Columns

SIGNED = ("log_train_loss", "log_test_loss", "log_test_error", "b")
EXACT = 1e-5  # scores of trainings that take the same steps
WORDS = {"logistic": "cross entropy", "exponential": "exponential loss"}  # what the figures call the losses
DEEP = 600  # e^-600 is a normal float64, and log(1 + e^z) there is e^z to the last digit


def absolute_tolerance(relative: float, n: int) -> dict[str, float]:
    """Return the absolute tolerance of the columns that pass through 0, or jump by a sample of n.

    The error of a logarithm is the relative one of its loss. Exact trainings do not differ by a sample.
    """
    signed: dict[str, float] = dict.fromkeys(SIGNED, relative)
    return signed if relative <= EXACT else signed | {"train_accuracy": 1.01 / n}


def mean_loss(loss: str, z: Float[Array, " n"]) -> Float[Array, ""]:
    """Return the mean of log(1 + e^z) or, where `loss` is "exponential", of e^z."""
    return jnp.mean(jnp.exp(z) if loss == "exponential" else softplus(z))


def training_columns(loss: str, z: Float[Array, " n"]) -> Columns:
    """Return the loss, its logarithm (finite where the loss underflows) and the accuracy on the training set."""
    largest = jnp.max(z)
    if loss == "exponential":
        shift, relative = largest, jnp.exp(z - largest)
    else:
        # Below -DEEP the loss is exponential, too, and so may be taken out of the mean by a shift of z.
        shift = jnp.minimum(largest + DEEP, 0)
        relative = softplus(z - shift)
    mean = jnp.mean(relative)
    return {
        "train_loss": mean * jnp.exp(shift),
        "log_train_loss": shift + jnp.log(mean),
        "train_accuracy": accuracy_of(z < 0, z),
    }


def population_columns(loss: str, b: Float[Array, " modes"], s: Float[Array, ""]) -> Columns:
    """Return exact loss, log loss, accuracy and log error on fresh scores b + s·Z, Z normal, b any of the modes."""
    exponential = loss == "exponential"
    log_loss = population.log_exponential_loss(b, s) if exponential else population.log_logistic_loss(b, s)
    mean_log = jax.nn.logsumexp(log_loss) - jnp.log(b.size)
    log_error = jax.nn.logsumexp(population.log_error(b, s)) - jnp.log(b.size)
    return _test_columns(jnp.exp(mean_log), mean_log, jnp.mean(population.accuracy(b, s)), log_error)


def labelled_columns(loss: str, b: Float[Array, ""], spread: tuple[Array, Array], k: Array) -> Columns:
    """Return the same where fresh samples are labelled 1 beyond the threshold k of the first component, else -1.

    `spread` is the deviation that the first component gives the score, and that of all others. The logarithms
    are of the values themselves: an error below 1e-15, or a loss below 1e-308, is 0 to them.
    """
    each = population.exponential_labelled_loss if loss == "exponential" else population.labelled_loss
    test_loss, accuracy = each(b, *spread, k), population.labelled_accuracy(b, *spread, k)
    return _test_columns(test_loss, jnp.log(test_loss), accuracy, jnp.log1p(-accuracy))


def _test_columns(loss: Array, log_loss: Array, accuracy: Array, log_error: Array) -> Columns:
    # Ordered, since a plain dict comes sorted out of compiled branches.
    names = "test_loss", "log_test_loss", "test_accuracy", "log_test_error"
    return OrderedDict(zip(names, (loss, log_loss, accuracy, log_error), strict=True))
