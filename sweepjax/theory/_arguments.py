"""What every formula does with its arguments: accept numbers or arrays, refuse what has no meaning."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = float | NDArray[np.float64]  # a number for a number, an array for an array


def floats(values: ArrayLike) -> NDArray[np.float64]:
    """Return the values as float64."""
    return np.asarray(values, dtype=np.float64)


def require(allowed: Any, sentence: str) -> None:
    """Refuse the call with a ValueError, whose text is the sentence, unless the condition holds everywhere."""
    if not np.all(allowed):
        raise ValueError(sentence)


def positive(**arguments: ArrayLike) -> None:
    """Refuse any argument that is not a positive number, by its name."""
    for name, values in arguments.items():
        require(floats(values) > 0, f"{name} is {values}; it must be a positive number")


def each(function: Callable[..., float], *arguments: ArrayLike) -> Numbers:
    """Apply a function of plain floats to every element of broadcast arrays."""
    return np.vectorize(function, otypes=[np.float64])(*arguments)[()]
