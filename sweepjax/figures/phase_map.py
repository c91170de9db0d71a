"""Two fields across, the phases of trainings in color: the phase diagram of grokking."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from pandas.api.types import is_numeric_dtype
from pyarrow.dataset import Dataset

from sweepjax.figures._drawing import cell_borders, needs, styled
from sweepjax.figures._variation import Words, points_of, varying
from sweepjax.reducers.phase_map import PHASES, PhaseMap

SHOWN = ("train_accuracy", "test_accuracy")
COLORS = ("0.85", "#d55e00", "#0072b2", "#009e73")
MOST, RATIO = 6, 8.0  # panels; an axis that spans more and is even in its logarithm is logarithmic


@needs(*SHOWN, of="rows of a training with accuracies")
@styled
def phase_map(rows: Dataset) -> Figure:
    """Draw the most frequent phase over the two fields of the most values, fainter where fewer rows are in it.

    The values of all other fields are side by side; of more than six the first six are drawn.
    """
    points = points_of([rows])
    keys, words = [name for name in varying(points) if is_numeric_dtype(points[name])], Words.of(points)
    names = sorted(keys, key=lambda name: -len(set(points[name])))[:2]
    if len(names) < 2:
        raise ValueError("a map needs two fields that vary; reduce the rows by phase_map, or draw them by curves")
    others = [name for name in varying(points) if name not in names]
    table = PhaseMap(by=",".join([*names, *others]))(rows).query("kept > 0")
    if table.empty:
        raise ValueError("these rows are NULL or nan in their accuracies; there is nothing to draw")
    cases = [case for _, case in table.groupby(others)][:MOST] if others else [table]
    figure = Figure(figsize=(1.75 * max(len(cases), 2) + 0.9, 2.7), layout="constrained")
    for axes, case in zip(figure.subplots(1, len(cases), squeeze=False, sharey=True)[0], cases, strict=True):
        _draw(axes, case, names)
        axes.set_title(words.say_all(others, case.iloc[0].to_dict()), fontsize=mpl.rcParams["legend.fontsize"])
        axes.set_xlabel(words.symbols.get(names[0], names[0].replace("_", " ")))
    figure.axes[0].set_ylabel(words.symbols.get(names[1], names[1].replace("_", " ")))
    patches = [Patch(color=color, label=name) for name, color in zip(PHASES, COLORS, strict=True)]
    figure.legend(handles=patches, loc="outside upper center", ncols=len(PHASES))
    return figure


def _draw(axes: Axes, case: pd.DataFrame, names: list[str]) -> None:
    place = case["phase"].map(PHASES.index)
    shown = case.assign(_place=place, _share=[line[line["phase"]] for line in case.to_dict("records")])
    squares = [shown.pivot_table(index=names[1], columns=names[0], values=each) for each in ("_place", "_share")]
    sides = [np.asarray(each, np.float64) for each in (squares[0].columns, squares[0].index)]
    wide = [_is_even_in_logarithm(each) for each in sides]
    x, y = (_borders(each, log) for each, log in zip(sides, wide, strict=True))
    colors = axes.pcolormesh(x, y, squares[0].to_numpy(), vmin=-0.5, vmax=3.5, cmap=ListedColormap(COLORS))
    colors.set_alpha(np.nan_to_num(squares[1].to_numpy()))  # pyright: ignore[reportArgumentType]  arrays are taken
    axes.set_xscale("log" if wide[0] else "linear")
    axes.set_yscale("log" if wide[1] else "linear")


def _is_even_in_logarithm(values: np.ndarray) -> bool:
    if len(values) < 3 or values[0] <= 0:
        return False
    ratios, steps = np.diff(np.log(values)), np.diff(values)
    return bool(values[-1] >= RATIO * values[0] or np.ptp(ratios) / ratios.mean() < np.ptp(steps) / steps.mean())


def _borders(centers: np.ndarray, log: bool) -> np.ndarray:
    return np.exp(cell_borders(np.log(centers))) if log else cell_borders(centers)
