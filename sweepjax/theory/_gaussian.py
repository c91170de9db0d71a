"""The normal density, and nodes to integrate smooth functions with."""

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray


def normal_density(z: ArrayLike) -> NDArray[np.float64]:
    """φ(z) = e^{-z²/2} / √(2π)."""
    return np.exp(-0.5 * np.square(z)) / np.sqrt(2 * np.pi)


@functools.cache
def legendre(panels: int, order: int = 16) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights of the composite Gauss-Legendre rule on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    starts = np.arange(panels)[:, None]
    return ((starts + (nodes + 1) / 2) / panels).ravel(), np.tile(weights / (2 * panels), panels)


def graded(length: float, scale: float, panels: int = 24) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights on (0, length), dense near 0: linear below the scale, logarithmic above it."""
    unit, weights = legendre(panels)
    top = np.arcsinh(length / scale)
    return scale * np.sinh(top * unit), weights * scale * top * np.cosh(top * unit)
