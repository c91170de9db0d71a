"""Two fields across, what trainings reach in color: the map of a sweep, whatever the model."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.api.types import is_numeric_dtype
from pyarrow.dataset import Dataset

from sweepjax.figures._drawing import cell_borders, needs, styled
from sweepjax.figures._variation import Words, points_of, varying
from sweepjax.reducers import ends
from sweepjax.reducers.mean import Mean

SHOWN = ("train_accuracy", "test_accuracy")
MOST = 6  # panels of one kind


@needs(*SHOWN, of="rows of a training with accuracies")
@styled
def field_map(rows: Dataset) -> Figure:
    """Draw the last recorded accuracies over the two fields of the most values: means over draws.

    The values of all other fields are side by side; of more than six the first six are drawn. What a mean may be off,
    its standard error at most, is written above each panel.
    """
    points = points_of([rows])
    keys, words = [name for name in varying(points) if is_numeric_dtype(points[name])], Words.of(points)
    axes_of = sorted(keys, key=lambda name: -len(set(points[name])))[:2]
    if len(axes_of) < 2:
        raise ValueError("a map needs two fields that vary; figure curves or quantities draws one")
    others = [name for name in varying(points) if name not in axes_of]
    table = Mean(column=",".join(SHOWN), by=",".join([*axes_of, *others]), quantiles="")(ends(rows)).query("kept > 0")
    cases = [case for _, case in table.groupby(others)][:MOST] if others else [table]
    figure = Figure(figsize=(1.75 * max(len(cases), 2) + 0.9, 4.0), layout="constrained")
    panels = figure.subplots(len(SHOWN), len(cases), squeeze=False, sharex=True, sharey=True)
    for line, name in zip(panels, SHOWN, strict=True):
        for axes, case in zip(line, cases, strict=True):
            shown = case.loc[case["column"] == name]
            _draw(axes, shown, axes_of)
            _title(axes, shown, words.say_all(others, case.iloc[0].to_dict()) if name == SHOWN[0] else "")
        line[0].set_ylabel(words.symbols.get(axes_of[1], axes_of[1].replace("_", " ")))
        figure.colorbar(line[-1].collections[0], ax=list(line), label=name.replace("_", " "), pad=0.01)
    for axes in panels[-1]:
        axes.set_xlabel(words.symbols.get(axes_of[0], axes_of[0].replace("_", " ")))
    return figure


def _draw(axes: Axes, case: pd.DataFrame, names: list[str]) -> None:
    square = case.pivot_table(index=names[1], columns=names[0], values="mean")
    x, y = (cell_borders(np.asarray(each, np.float64)) for each in (square.columns, square.index))
    axes.pcolormesh(x, y, square.to_numpy(), vmin=0, vmax=1, cmap=mpl.colormaps["viridis"], rasterized=True)


def _title(axes: Axes, case: pd.DataFrame, said: str) -> None:
    worst = case["se"].max()
    error = f"± {worst:.2f}" if np.isfinite(worst) else "one draw"
    axes.set_title("\n".join(filter(None, (said, error))), fontsize=mpl.rcParams["legend.fontsize"])
