"""What an independent solver finds otherwise."""

from typing import Any, NamedTuple


class Contradiction(NamedTuple):
    """A column of a row that is found to be something else."""

    column: str
    stored: Any
    found: Any
