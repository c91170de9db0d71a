"""Rows of a model that no figure knows have a picture: curves over time, or numbers over the axis that varies."""

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import pytest

from sweepjax import plugins
from sweepjax.columns import CLOCK, CURVE, FACT, LABEL, describing
from sweepjax.figures import draw, usual

TIMES = np.concatenate([[0], np.logspace(-1, 4, 11)])
LABELS = ("model", "solver", "width", "rate", "seed", "realization")


@dataclass
class Student:
    """A model of somebody's own, which declares nothing."""

    width: int = 8
    rate: float = 0.1


def rows(widths=(8, 16), rates=(0.1,), count=4, *, curves=False, **more):
    """Rows of the model above, with numbers or with curves."""
    index = [(width, rate, k) for width in widths for rate in rates for k in range(count)]
    width, rate, k = (np.array(each) for each in zip(*index, strict=True))
    columns = {"model": [f"{__name__}:Student"] * len(k), "width": width, "rate": rate, "seed": 0 * k, "realization": k}
    if curves:
        level = (1 + k / 10)[:, None]
        columns["time"] = lists(np.broadcast_to(TIMES, (len(k), TIMES.size)))
        columns |= {name: lists(level / (1 + TIMES)) for name in ("train_loss", "test_loss", "log_test_loss")}
        columns["ipr"] = lists(level + 0 * TIMES)
    else:
        columns |= {"final_loss": width * rate + k, "grokked": k % 2 == 0, "nothing": pa.nulls(len(k), pa.float64())}
    table = pa.table(columns | more)
    return pds.dataset(table.cast(pa.schema([describing(field, kind(field)) for field in table.schema])))


def kind(field):
    if field.name in LABELS:
        return LABEL
    return FACT if not pa.types.is_fixed_size_list(field.type) else CLOCK if field.name == "time" else CURVE


def lists(values):
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ravel(values)), values.shape[1])


def words(figure):
    figure.draw_without_rendering()
    return {text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()}


def drawn(table):
    return draw(plugins.find("figures", usual(table)), [table])


def test_curves_are_the_picture_of_rows_with_times_and_quantities_that_of_others():
    assert usual(rows(curves=True)) == "curves"
    assert usual(rows()) == "quantities"


def test_a_quantity_has_one_panel_for_training_set_and_fresh_data_and_its_logarithm_none():
    figure = drawn(rows(curves=True))
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "ipr"]
    assert {"width = 8", "width = 16", "training set", "fresh data", "time t"} <= words(figure)


def test_more_quantities_than_fit_one_column_stand_in_columns_about_as_long():
    many = {f"extra{k}": lists(np.ones((8, TIMES.size)) + TIMES) for k in range(4)}
    axes = drawn(rows(curves=True, **many)).axes
    assert len(axes) == 6
    assert {each.get_subplotspec().get_gridspec().get_geometry() for each in axes} == {(3, 2)}


def test_a_curve_over_decades_has_a_logarithmic_axis_and_another_does_not():
    loss, ipr = drawn(rows(curves=True)).axes
    assert (loss.get_yscale(), ipr.get_yscale()) == ("log", "linear")


def test_a_curve_is_the_median_over_realizations():
    loss, _ = drawn(rows(widths=(8,), curves=True)).axes
    np.testing.assert_allclose(loss.lines[0].get_ydata(), 1.15 / (1 + TIMES[1:]))


def test_a_closed_form_is_drawn_as_dots_over_the_lines_of_a_solver_with_steps():
    tables = [rows(widths=(8,), curves=True, solver=[name] * 4) for name in ("gradient_descent", "exact_descent")]
    loss, _ = draw(plugins.find("figures", "curves"), tables).axes
    looks = [(line.get_linestyle(), line.get_marker()) for line in loss.lines if len(line.get_xdata())]
    assert sorted(looks) == [("-", "None"), ("--", "None"), ("None", "o"), ("None", "o")]
    alone, _ = drawn(tables[1]).axes
    assert alone.lines[0].get_linestyle() == "--"


@pytest.mark.slow
def test_of_many_points_seven_are_drawn_and_that_is_said():
    figure = drawn(rows(widths=range(1, 31), curves=True))
    assert {"7 of 30 points", "width = 1", "width = 30"} <= words(figure)


def test_numbers_are_drawn_over_the_field_of_the_most_values_with_a_colour_for_the_others():
    figure = drawn(rows(widths=(8, 16, 32), rates=(0.1, 0.2)))
    assert [axes.get_ylabel() for axes in figure.axes] == ["final loss", "grokked"]
    assert {"width", "rate = 0.1", "rate = 0.2"} <= words(figure)


def test_a_truth_value_is_drawn_as_the_fraction_that_is_true():
    _, grokked = drawn(rows()).axes
    heights = np.asarray(grokked.containers[0].lines[0].get_ydata(), np.float64)
    np.testing.assert_allclose(heights, 0.5)


def test_an_axis_over_decades_is_logarithmic():
    assert {axes.get_xscale() for axes in drawn(rows(widths=(1, 10, 100))).axes} == {"log"}


@pytest.mark.parametrize("curves", [True, False])
def test_a_single_point_is_drawn_too(curves, tmp_path):
    drawn(rows(widths=(8,), count=1, curves=curves)).savefig(tmp_path / "figure.png")


def test_rows_without_a_number_are_answered_by_a_sentence():
    table = rows(widths=(8,))
    nothing = table.to_table().drop_columns(["final_loss", "grokked"])
    with pytest.raises(ValueError, match="NULL in every measured column"):
        draw(plugins.find("figures", "quantities"), [pds.dataset(nothing)])
    with pytest.raises(ValueError, match="no number that is measured once a row"):
        draw(plugins.find("figures", "quantities"), [pds.dataset(nothing.drop_columns("nothing"))])


def test_theory_is_drawn_over_rows_of_the_model_that_declares_the_figure_only():
    point = {"lam": [0.4, 0.6], "n": [10, 10], "d": [4, 6], "s_norm": [2.0, None], "margin": [None, 0.1]}
    tables = {name: pds.dataset(pa.table({"model": [name] * 2} | point)) for name in ("logistic", "symmetric")}
    found = {name: words(draw(plugins.find("figures", "s_norm_and_margin"), [rows])) for name, rows in tables.items()}
    assert "exact, N → ∞" in found["logistic"]
    assert "exact, N → ∞" not in found["symmetric"]


@pytest.mark.parametrize("name", plugins.names("figures"))
def test_a_figure_is_the_function_of_its_own_file(name):
    assert plugins.find("figures", name).__module__ == f"sweepjax.figures.{name}"
