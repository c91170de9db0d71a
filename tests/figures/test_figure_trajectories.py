"""The figure of curves over time."""

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from matplotlib.figure import Figure

from sweepjax.figures import usual
from sweepjax.figures.trajectories import CURVES, PLACES, _hidden, trajectories

TIMES = np.concatenate([[0], np.logspace(-2, 4, 13)])


def rows(lam=(0.4, 0.48), count=1, **columns):
    """Rows shaped like those of a trajectory solver; every curve is its own number plus λ."""
    labels = [(value, k) for value in lam for k in range(count)]
    table = {
        "model": ["logistic"] * len(labels),
        "solver": ["gradient_flow"] * len(labels),
        "lam": [value for value, _ in labels],
        "seed": [0] * len(labels),
        "realization": [k for _, k in labels],
        "time": curve(np.broadcast_to(TIMES, (len(labels), TIMES.size))),
    }
    for place, name in enumerate(CURVES, start=1):
        heights = np.array([place + value + 0.1 * k for value, k in labels])
        table[name] = curve(np.repeat(heights[:, None], TIMES.size, axis=1))
    return pds.dataset(pa.table(table | columns))


def curve(values):
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ravel(values)), TIMES.size)


def words(figure):
    figure.draw_without_rendering()
    return {text.get_text() for text in figure.findobj(mpl.text.Text)}


def test_each_point_of_the_sweep_is_named():
    assert {"λ = 0.4", "λ = 0.48", "fresh data", "training set"} <= words(trajectories(rows()))


def test_every_quantity_is_drawn_in_its_panel_at_positive_times():
    loss, accuracy, weights = trajectories(rows(lam=(0.4,))).axes
    heights = [[line.get_ydata()[0] for line in axes.lines[:2]] for axes in (loss, accuracy, weights)]
    np.testing.assert_allclose(heights, [[1.4, 2.4], [3.4, 4.4], [5.4, -6.4]])
    assert all(line.get_xdata()[0] == TIMES[1] for axes in (loss, accuracy, weights) for line in axes.lines[:2])


def test_several_realizations_are_a_median_in_a_band():
    assert not trajectories(rows()).axes[0].collections
    figure = trajectories(rows(count=5))
    assert len(figure.axes[0].collections) == 4
    assert figure.axes[0].lines[0].get_ydata()[0] == pytest.approx(1.4 + 0.2)


def test_rows_without_curves_and_too_many_points_are_refused():
    limit = pds.dataset(pa.table({"model": ["logistic"], "solver": ["limit"], "lam": [0.4]}))
    with pytest.raises(ValueError, match="no train_loss; this figure draws rows of a trajectory solver"):
        trajectories(limit)
    with pytest.raises(ValueError, match="at most 7"):
        trajectories(rows(lam=np.linspace(0.1, 0.9, 8)))


def test_the_usual_figure_is_the_first_that_model_or_solver_declares_and_that_suits_the_rows():
    assert usual(rows()) == "trajectories"
    limit = {"lam": [0.4], "n": [10], "d": [4], "s_norm": [1.0], "margin": [None]}
    assert usual(pds.dataset(pa.table({"model": ["logistic"], "solver": ["limit"]} | limit))) == "s_norm_and_margin"


def test_the_inset_lies_where_fewer_lines_pass():
    axes = Figure().add_subplot()
    axes.plot([0, 1], [0, 0])
    axes.set(xlim=(0, 1), ylim=(0, 1))
    for height, place in ((0.3, 1), (0.9, 0)):
        axes.lines[0].set_data(np.linspace(0, 1, 50), np.full(50, height))
        assert min(PLACES, key=lambda each: _hidden(axes, each)) == PLACES[place]


def test_a_legend_that_names_every_dataset_lies_within_the_picture():
    lam = (0.4, 0.48, 0.52, 0.6)
    trained = [rows(lam, solver=[name] * 4, n=[10] * 4, d=[4, 5, 6, 7], sigma=[5.0] * 4) for name in ("adam", "lion")]
    known = {"separable": [False, False, True, True], "s_norm": [1.0, 2.0, None, None], "loss_inf": [0.5] * 4}
    known |= {"n": [10] * 4, "d": [4, 5, 6, 7], "sigma": [5.0] * 4, "margin": [None, None, 0.1, 0.5]}
    known |= {"seed": [0] * 4, "realization": [0] * 4, "lam": list(lam)}
    figure = trajectories(*trained, pds.dataset(pa.table({"model": ["logistic"] * 4, "solver": ["limit"] * 4} | known)))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert "λ = 0.48, inseparable" in words(figure)
    assert legend.get_window_extent().x0 >= 0
    assert legend.get_window_extent().x1 <= figure.bbox.x1
