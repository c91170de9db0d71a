"""One file a figure: reduced rows with their error bars, and the theory drawn over them."""

from collections.abc import Callable
from inspect import Parameter, signature

from pyarrow.dataset import Dataset


def usual(rows: Dataset) -> str:
    """Return the name of the figure that suits the rows: curves over time, or the limit."""
    return "trajectories" if "time" in rows.schema.names else "s_norm_and_margin"


def needs_rows(figure: Callable) -> bool:
    """Whether a figure shows nothing without rows; the others have a default, and draw the theory alone."""
    return next(iter(signature(figure).parameters.values())).default is Parameter.empty


def shows_rows(figure: Callable) -> bool:
    """Whether a figure shows something of rows; one of theory alone calls what it is given `_`."""
    return next(iter(signature(figure).parameters)) != "_"


def check_count(figure: Callable, tables: int) -> None:
    """Refuse more tables, of different columns, than a figure draws together."""
    kinds = [each.kind for each in signature(figure).parameters.values()]
    if Parameter.VAR_POSITIONAL not in kinds and tables > kinds.count(Parameter.POSITIONAL_OR_KEYWORD):
        given = f"these directories have {tables} different sets of columns"
        raise ValueError(f"{given}, which figure {figure.__name__} does not draw together; give one at a time")
