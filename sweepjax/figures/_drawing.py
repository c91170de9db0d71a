"""What the figures share: the style, one series a curve, and marks that always mean the same."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.dataset as pds
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray
from pyarrow.dataset import Dataset

from sweepjax import plugins, reducers
from sweepjax.columns import plug_in, plug_ins
from sweepjax.reducers.mean import Mean

NOTHING_LATER = "these rows have nothing recorded after the start, which is what this figure draws"
STYLE = Path(__file__).with_name("sweepjax.mplstyle")
INK, FAINT = "0.15", "0.55"
SYMBOLS = {"n": "N", "d": "d", "sigma": "σ", "seed": "seed"}
KEYS = ("lam", "n", "d", "sigma")
CRITICAL = 0.5
LATEST = 1e12  # the time that has the darkest colour, as all later ones
Array = NDArray[np.float64]
Arguments = ParamSpec("Arguments")


class Series(NamedTuple):
    """The points of one curve, in the order of λ."""

    label: str
    color: str
    sigma: float
    points: pd.DataFrame


def styled(figure: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Draw `figure` in the style of this room, whatever the caller's is, and leave the caller's alone."""

    @wraps(figure)
    def draw(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with mpl.rc_context(fname=STYLE):
            return figure(*args, **kwargs)

    return draw


def averaged(rows: Dataset, columns: str) -> pd.DataFrame:
    """Return the means of some columns by λ, n, d, σ, in which alone rows may differ; only lines that have values."""
    require_one_law(rows)
    table = Mean(column=columns, by=",".join(name for name in KEYS if name in rows.schema.names))(rows)
    table = table.assign(mean_low=table["mean"] - table["se"], mean_high=table["mean"] + table["se"])
    return table.query("kept > 0")


def require_one_law(rows: Dataset) -> None:
    """Refuse rows that differ in more than λ, n, d and σ: they are of several laws, or the same draws twice."""
    every = reducers.points(rows)
    others = [name for name in every if name not in KEYS and len(every.drop_duplicates([name])) > 1]
    if others:
        raise ValueError(f"{others[0]} varies in these rows; this figure draws one value of it, so give rows of one")


def of_all(rows: Dataset, columns: str) -> Dataset:
    """Return rows in which a draw that lacks a column has what its solver says of it, such as an infinite ‖S_∞‖."""
    absent = reducers.absences(rows)
    names = columns.split(",")
    table = rows.to_table(columns=[name for name in ("model", "solver", *KEYS, *names) if name in rows.schema.names])
    for name in names:
        if name in absent:
            place = table.schema.get_field_index(name)
            table = table.set_column(place, table.schema.field(name), table[name].fill_null(absent[name]))
    return pds.dataset(table)


def series(table: pd.DataFrame) -> Iterator[Series]:
    """Split a table into one curve for each σ and each n, or each d where a sweep holds d fixed."""
    distinct = {name: len(set(table[name])) for name in ("n", "d", "sigma") if name in table}
    size = "n" if distinct["n"] <= distinct["d"] else "d"
    names = [name for name in (size, "sigma") if distinct.get(name, 1) > 1] or [size]
    colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    for index, (_, points) in enumerate(table.groupby(names)):
        label = ", ".join(f"{SYMBOLS[name]} = {points[name].iloc[0]:g}" for name in names)
        sigma = float(points["sigma"].iloc[0]) if "sigma" in points else 1.0
        yield Series(label, colors[index % len(colors)], sigma, points.sort_values("lam"))


def mark(axes: Axes, curve: Series, column: str, *, interval: tuple[str, str], along: str = "lam") -> None:
    """Draw one column of a series against λ, or another, as points with the bars from one column to another."""
    points = curve.points
    low, high = ((points[name] - points[column]).abs().fillna(0.0) for name in interval)
    style = {"fmt": "o", "mew": 0, "elinewidth": 0.8, "clip_on": False, "zorder": 3}
    axes.errorbar(points[along], points[column], yerr=[low, high], color=curve.color, label=curve.label, **style)


def require(rows: Dataset, columns: Iterable[str], what: str) -> None:
    """Say what a figure draws, unless the rows have the columns it needs."""
    missing = [name for name in columns if name not in rows.schema.names]
    if missing:
        raise ValueError(f"these rows have no {missing[0]}; this figure draws {what}")


def needs(*columns: str, of: str) -> Callable[[Callable[Arguments, Figure]], Callable[Arguments, Figure]]:
    """Say which columns a figure draws, and of which rows; the first rows must have them."""

    def declare(figure: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
        @wraps(figure)
        def draw(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
            for rows in args[:1]:
                if rows is not None:
                    require(rows, columns, of)
            return figure(*args, **kwargs)

        draw.needs = columns  # type: ignore[attr-defined]
        return draw

    return declare


def require_own(rows: Dataset, figure: str, kind: str = "model") -> None:
    """Refuse rows of a model, or solver, that does not declare the figure: its theory is not theirs."""
    strangers = [name for name, found in plug_ins(rows, kind).items() if not _owns(found, figure)]
    if strangers:
        owners = [name for name in plugins.names(f"{kind}s") if _owns(plug_in(kind, name), figure)]
        allowed = owners[0] if len(owners) == 1 else f"one of: {', '.join(owners)}"
        raise ValueError(f"these rows are of the {kind} {min(strangers)}; this figure draws {allowed}")


def owned(rows: Dataset, figure: str) -> bool:
    """Whether the theory of a figure is that of the rows: whether every model among them declares it."""
    found = plug_ins(rows, "model")
    return bool(found) and all(_owns(model, figure) for model in found.values())


def _owns(found: Any, figure: str) -> bool:
    return figure in getattr(found, "figures", ())


def with_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table`, or say that there is nothing to draw."""
    if table.empty:
        raise ValueError("these rows hold nothing that this figure shows; it draws rows of the solver limit")
    return table


def later(table: pd.DataFrame) -> pd.DataFrame:
    """Return the lines of a table that are of a time after the start, or say that nothing is recorded then."""
    table = table.query("time > 0")
    if table.empty:
        raise ValueError(NOTHING_LATER)
    return table


def last_time(rows: Dataset) -> float:
    """Return the last time that any row has recorded, or say that it is the start."""
    batches = (batch.column("time").flatten() for batch in rows.to_batches(columns=["time"]))
    last = max(float(pc.max(times).as_py() or 0) for times in batches)  # pyright: ignore
    if not last > 0:
        raise ValueError(NOTHING_LATER)
    return last


def handle(color: str, **look: Any) -> Line2D:
    """Return the sample of a mark that stands in a legend; diamonds are open."""
    style: dict[str, Any] = {"color": color, "linestyle": "none", "markeredgewidth": 0} | look
    if look.get("marker") == "D":
        style |= {"markerfacecolor": "none", "markeredgewidth": 0.6, "markersize": 4.5}
    return Line2D([], [], **style)


def legend(axes: Axes, entries: Mapping[str, Artist], place: Any = "upper left") -> None:
    """Explain the marks, by name, where the curves leave room."""
    axes.add_artist(axes.legend(list(entries.values()), list(entries), loc=place))


def time_color(time: float) -> str:
    """Return the colour of a time, the same in every picture: light at t = 1, darker by the logarithm."""
    return to_hex(mpl.colormaps["viridis"](0.92 * (1 - np.clip(np.log(time) / np.log(LATEST), 0, 1))))


def tag(axes: Axes, text: str, *, at: tuple[float, float], shift: tuple[float, float]) -> None:
    """Write a few words next to a point, `shift` in units of 1/72 inch."""
    align: Any = {"ha": "right" if shift[0] < 0 else "left", "va": "top" if shift[1] < 0 else "bottom"}
    size = mpl.rcParams["legend.fontsize"]
    axes.annotate(text, at, shift, textcoords="offset points", fontsize=size, color=INK, **align)


def critical_line(axes: Axes) -> None:
    """Mark λ = 1/2."""
    axes.axvline(CRITICAL, color=FAINT, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)


def decimal_ticks(axes: Axes) -> None:
    """Label a logarithmic axis of few decades with 1, 2 and 5 times the powers of ten."""
    low, high = axes.get_xlim()
    places = [digit * 10.0**power for power in range(-6, 1) for digit in (1, 2, 5)]
    axes.set_xticks([place for place in places if low <= place <= high])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def below(axes: Axes) -> Array:
    """Return values of λ from the start of the axis, denser towards 1/2, which they never reach.

    They are the same in every picture, since the theory remembers what it has solved.
    """
    lam = CRITICAL - np.linspace(np.cbrt(0.499), 0.01, 120) ** 3
    return lam[max(int(np.searchsorted(lam, axes.get_xlim()[0])) - 1, 0) :]


def above(axes: Axes) -> Array:
    """Return values of λ from 1/2 to the end of the axis."""
    return CRITICAL + np.linspace(0, max(axes.get_xlim()[1] - CRITICAL, 1e-3), 60)


def cell_borders(centers: np.ndarray) -> np.ndarray:
    """Return the borders of cells around the values of an axis."""
    if len(centers) == 1:
        return centers[0] + np.array([-0.5, 0.5]) * (abs(centers[0]) or 1)
    middle = (centers[1:] + centers[:-1]) / 2
    return np.concatenate([[2 * centers[0] - middle[0]], middle, [2 * centers[-1] - middle[-1]]])
