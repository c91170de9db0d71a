"""One file a figure: reduced rows with their error bars, and the theory drawn over them.

A figure is a function of tables of rows: of none, if it draws theory alone; of one with a default, if it may; of
several, or any number, if rows of different columns are drawn together.
"""

from collections.abc import Callable, Iterator, Sequence
from inspect import Parameter, signature

from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.columns import plug_ins
from sweepjax.figures._drawing import needs as needs
from sweepjax.figures._drawing import styled as styled
from sweepjax.plugins import defined, find, takes

OVER_TIME, ALONG_AN_AXIS = "curves", "quantities"  # what any rows have
MOST = 5  # sets of columns that are drawn together


def usual(rows: Dataset) -> str:
    """Return the name of the figure that suits the rows: what model or solver declares, else what suits any."""
    suited = (name for name in declared(rows) if needed(find("figures", name)) <= set(rows.schema.names))
    return next(suited, OVER_TIME if "time" in rows.schema.names else ALONG_AN_AXIS)


def declared(rows: Dataset) -> Iterator[str]:
    """Yield the figures that the models of some rows declare, then those of their solvers."""
    for kind in ("model", "solver"):
        for found in plug_ins(rows, kind).values():
            yield from getattr(found, "figures", ())


def needed(figure: Callable) -> set[str]:
    """Return the columns without which a figure draws nothing."""
    return set(getattr(figure, "needs", ()))


def draw(figure: Callable[..., Figure], tables: Sequence[Dataset]) -> Figure:
    """Draw some tables of rows, of different columns; a figure of theory alone does not look at them."""
    if shows_rows(figure):
        check_count(figure, len(tables))
    picture = figure(*tables) if shows_rows(figure) else figure()
    if not isinstance(picture, Figure):
        returns = f"{figure.__name__} returns a {type(picture).__name__}"
        raise ValueError(f"{defined(figure)}: {returns}; return a figure of Matplotlib")
    return picture


def needs_rows(figure: Callable) -> bool:
    """Whether a figure shows nothing without rows; the others have a default, and draw the theory alone."""
    return any(each.default is Parameter.empty for each in signature(figure).parameters.values())


def shows_rows(figure: Callable) -> bool:
    """Whether a figure shows something of rows; one of theory alone takes none."""
    return bool(signature(figure).parameters)


def check_count(figure: Callable, tables: int) -> None:
    """Refuse more tables, of different columns, than a figure draws together, and fewer."""
    if not takes(figure, tables) and any(takes(figure, more) for more in range(tables + 1, MOST)):
        raise ValueError(f"figure {figure.__name__} draws several sets of columns together; give more directories")
    kinds = [each.kind for each in signature(figure).parameters.values()]
    if Parameter.VAR_POSITIONAL not in kinds and tables > kinds.count(Parameter.POSITIONAL_OR_KEYWORD):
        given = f"these directories have {tables} different sets of columns"
        raise ValueError(f"{given}, which figure {figure.__name__} does not draw together; give one at a time")
