"""A point of a path, and the function that says where it goes."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float

Slope = Callable[[Array, Array], Array]  # (position, y [p]) -> dy/dposition [p]


class Node(NamedTuple):
    """A point of the path and the slope there."""

    position: Float[Array, ""]
    y: Float[Array, " p"]
    slope: Float[Array, " p"]
