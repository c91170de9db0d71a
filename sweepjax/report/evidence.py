"""What the rows show: every figure and every table that suits them, each with the command that repeats it."""

import base64
import inspect
import io
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax import figures
from sweepjax.columns import CLOCKS, curves
from sweepjax.plugins import find, names
from sweepjax.reducers import ends
from sweepjax.reducers.mean import Mean
from sweepjax.report.cells import Column, columns, with_error

MOST_LINES = 1000
LARGEST_SVG = 1_000_000  # bytes; a figure of that many marks is smaller as pixels


class Picture(NamedTuple):
    """A figure as a data URI, what it shows, and how to draw it again."""

    name: str
    title: str
    notes: list[str]
    image: str
    command: str


@dataclass(frozen=True)
class Table:
    """A reduced table, what it says, and how to make it again."""

    name: str
    title: str
    notes: list[str]
    command: str
    table: pd.DataFrame

    @property
    def columns(self) -> list[Column]:
        """Names and texts of the columns, of the first lines where there are very many."""
        return columns(self.table.head(MOST_LINES))

    @property
    def cut(self) -> int:
        """How many lines are left to the command."""
        return max(0, len(self.table) - MOST_LINES)

    @property
    def sums(self) -> list[str]:
        """What is said of the whole table at once."""
        found = {str(name): value for name, value in self.table.attrs.items()}
        return [
            value if isinstance(value, str) else f"{name} = {with_error(value, found.get(f'{name}_se', float('inf')))}"
            for name, value in found.items()
            if not name.endswith("_se")
        ]


def pictures(rows: Sequence[Dataset], paths: Sequence[Path]) -> tuple[list[Picture], list[tuple[str, list[str]]]]:
    """Return the figures that suit the rows, the usual one first, and why the others do not.

    There may be several tables, of different columns. What draws theory alone shows nothing of a run.
    """
    drawn, refused, first = [], [], figures.usual(rows[0])
    for name in sorted(names("figures"), key=lambda name: (name != first, name)):
        draw = find("figures", name)
        if figures.shows_rows(draw):
            try:
                drawn.append(_picture(name, draw, rows, paths))
            except ValueError as error:
                refused.append((name, [str(error)]))
    return drawn, refused


def tables(rows: Dataset, paths: Sequence[Path]) -> list[Table]:
    """Return the tables that can be made of the rows, the shortest first."""
    return sorted(_tables(rows, paths), key=lambda table: len(table.table))


def _picture(name: str, draw: Callable[..., Figure], rows: Sequence[Dataset], paths: Sequence[Path]) -> Picture:
    title, *_ = _paragraphs(inspect.getmodule(draw))
    first, *rest = _paragraphs(draw)
    return Picture(
        name,
        title,
        [_noun(first), *rest],
        _embedded(figures.draw(draw, rows)),
        _command("plot", paths, "--figure", name, f"{name}.pdf"),
    )


def _noun(sentence: str) -> str:
    """Return what a figure draws, as a sentence of its own; a symbol at its start stays as it is."""
    what = sentence.removeprefix("Draw ")
    return what[:1].upper() + what[1:] if what[:2].isascii() else what


def _embedded(figure: Figure) -> str:
    """Return a figure as a data URI, without a date or anything random of its own."""
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "sweepjax"}):
        content = _saved(figure, format="svg", metadata={"Date": None, "Creator": None})
    if len(content) <= LARGEST_SVG:
        return f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"
    return f"data:image/png;base64,{base64.b64encode(_saved(figure, format='png', dpi=300)).decode()}"


def _saved(figure: Figure, **options: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, **options)
    return buffer.getvalue()


def _tables(rows: Dataset, paths: Sequence[Path]) -> Iterator[Table]:
    for name in names("reducers"):
        cls = find("reducers", name)
        if getattr(cls, "tabulated", True) and (table := _reduced(cls(), rows)) is not None:
            title, *notes = _paragraphs(cls)
            yield Table(name, title, notes, _command("reduce", paths, name, f"{name}.csv"), table)
    final = [name for name in curves(rows) if name not in CLOCKS]
    if final and (table := _reduced(Mean(column=",".join(final)), ends(rows))) is not None:
        command = _command("reduce", paths, "mean", "--column", ",".join(final), "curves.csv")
        notes = ["The last value of each curve; the command prints every recorded time."]
        yield Table("mean", "Means at the last recorded time.", notes, command, table)


def _reduced(reducer: Callable[[Dataset], pd.DataFrame], rows: Dataset) -> pd.DataFrame | None:
    """Return a table, or None where the rows have none or it would be empty."""
    try:
        table = reducer(rows)
    except ValueError:
        return None
    return None if table.empty else table


def _command(verb: str, paths: Sequence[Path], *rest: str) -> str:
    *options, file = rest
    return shlex.join(["sweepjax", verb, *map(str, paths), *options, "-o", file])


def _paragraphs(documented: Any) -> list[str]:
    """Return the paragraphs of a docstring, each on one line, but for its sources."""
    paragraphs = (" ".join(part.split()) for part in (inspect.getdoc(documented) or "").split("\n\n"))
    return [each for each in paragraphs if each and not each.startswith("Source:")]
