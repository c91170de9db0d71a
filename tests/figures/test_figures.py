import matplotlib as mpl
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from legible import unreadable
from matplotlib.figure import Figure
from scipy.stats import binom

from sweepjax import plugins
from sweepjax.theory.margin import margin
from sweepjax.theory.s_inf import negative_mean, positive_fraction, positive_mean, s_inf

FIGURES = ["projections", "s_norm_and_margin", "separable_fraction"]
MEASURED = ["s_norm", "margin", "positive_fraction", "positive_mean", "negative_mean"]


def dataset(points=((40, 10), (40, 16), (40, 20), (40, 24), (40, 30)), sigmas=(1.0,), count: int = 30) -> pds.Dataset:
    """Rows shaped like those of the solver `limit`, near enough to theory to fill a picture."""
    generator, frames = np.random.default_rng(0), []
    for n, d in points:
        separable = generator.random(count) < binom.cdf(d - 1, n - 1, 0.5)
        noise = 1 + 0.1 * generator.standard_normal(count)
        for sigma in sigmas:
            near, far = min(d / n, 0.45), max(d / n, 0.52)
            inside = {"positive_fraction": 0.2, "positive_mean": 0.2 * sigma, "negative_mean": -0.6 * sigma}
            inside = {"s_norm": float(s_inf(near, sigma=sigma))} | inside
            columns = {name: np.where(separable, np.nan, value * noise) for name, value in inside.items()}
            columns["margin"] = np.where(separable, float(margin(far, sigma=sigma)) * noise, np.nan)
            keys = {"model": "logistic", "solver": "limit", "lam": d / n, "n": n, "d": d, "sigma": sigma, "seed": 0}
            keys |= {"realization": np.arange(count), "separable": separable, "certified": True}
            frames.append(pd.DataFrame(keys | columns))
    return pds.dataset(pa.Table.from_pandas(pd.concat(frames), preserve_index=False))


def texts(figure: Figure) -> set[str]:
    """Every word on a figure that a reader sees."""
    figure.draw_without_rendering()
    return {text.get_text() for text in figure.findobj(mpl.text.Text)}


def test_the_figures_are_these():
    assert set(FIGURES) <= set(plugins.names("figures"))


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_one_column_wide_and_saves_to_every_format(name, tmp_path):
    figure = plugins.find("figures", name)(dataset())
    assert figure.get_figwidth() == 3.4
    for suffix in ("png", "pdf", "svg"):
        figure.savefig(tmp_path / f"figure.{suffix}")
        assert (tmp_path / f"figure.{suffix}").stat().st_size > 5000


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_names_its_axis_its_data_and_nothing_is_smaller_than_seven_points(name):
    figure = plugins.find("figures", name)(dataset())
    assert {"λ = d/N", "N = 40"} <= texts(figure)
    assert not unreadable(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_drawing_leaves_the_style_of_the_caller_alone(name):
    before = dict(mpl.rcParams)
    plugins.find("figures", name)(dataset())
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", FIGURES)
def test_each_size_of_a_sweep_is_a_curve_of_its_own_name_and_colour(name):
    figure = plugins.find("figures", name)(dataset(points=[(20, 8), (20, 12), (40, 16), (40, 24)]))
    assert {"N = 20", "N = 40"} <= texts(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_a_sweep_at_fixed_dimension_is_one_curve(name):
    figure = plugins.find("figures", name)(dataset(points=[(60, 20), (45, 20), (40, 20), (36, 20), (30, 20)]))
    assert "d = 20" in texts(figure)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("points", [[(40, 10), (40, 16)], [(40, 28), (40, 32)], [(40, 20)]])
def test_a_sweep_on_one_side_of_the_transition_or_a_single_point_is_drawn_too(name, points, tmp_path):
    plugins.find("figures", name)(dataset(points)).savefig(tmp_path / "figure.png")


def test_s_norm_and_margin_draws_the_exact_curves_of_every_sigma():
    figure = plugins.find("figures", "s_norm_and_margin")(dataset(sigmas=(1.0, 2.0)))
    assert {"σ = 1", "σ = 2", "exact, N → ∞", "two-point model", "median of all draws (95 %)"} <= texts(figure)
    assert any(text.startswith("mean ± s.e. of one class,\n") for text in texts(figure))
    for axes, exact in zip(figure.axes, (s_inf, margin), strict=True):
        lines = [line for line in axes.lines if line.get_label() == "exact"]
        assert len(lines) == 2
        for line, sigma in zip(lines, (1.0, 2.0), strict=True):
            np.testing.assert_allclose(line.get_ydata(), exact(np.asarray(line.get_xdata()), sigma=sigma))


def test_no_mean_is_drawn_where_the_critical_window_spoils_its_standard_error():
    left, right = plugins.find("figures", "s_norm_and_margin")(dataset()).axes
    means = [line.get_xdata() for axes in (left, right) for line in axes.lines if line.get_marker() == "D"]
    assert [list(np.asarray(lam)) for lam in means] == [[0.25], [0.75]]


def test_separable_fraction_says_how_well_it_agrees_with_wendel():
    figure = plugins.find("figures", "separable_fraction")(dataset())
    assert any(text.startswith("χ² = ") for text in texts(figure))
    assert {"Wendel, exact", "separable fraction", "z score"} <= texts(figure)


def test_projections_end_at_the_known_fraction():
    assert {"0.1446", "margin $M$", "exact, N → ∞"} <= texts(plugins.find("figures", "projections")(dataset()))


def test_projections_follow_a_law_at_each_size_that_tends_to_that_of_many_samples():
    upper, lower = plugins.find("figures", "projections")(dataset(((10**6, 4 * 10**5), (10**6, 49 * 10**4)))).axes
    laws = [line for axes in (upper, lower) for line in axes.lines if line.get_linewidth() == 0.7]
    found = [np.interp(0.45, law.get_xdata(), law.get_ydata()) for law in laws]
    known = [float(law(0.45)) for law in (positive_fraction, positive_mean, negative_mean)]
    np.testing.assert_allclose(sorted(found), sorted(known), rtol=2e-3)


def test_projections_without_the_transition_in_view_do_not_name_it():
    # What is drawn far outside the axes would leave them no room: a warning, and so an error here.
    assert "0.1446" not in texts(plugins.find("figures", "projections")(dataset([(40, 8), (40, 10)])))


@pytest.mark.parametrize("name", ["projections", "s_norm_and_margin"])
def test_rows_with_nothing_to_show_are_answered_by_a_sentence(name):
    table = dataset().to_table()
    for column in MEASURED:
        table = table.set_column(table.schema.get_field_index(column), column, pa.nulls(len(table), pa.float64()))
    with pytest.raises(ValueError, match="nothing that this figure shows"):
        plugins.find("figures", name)(pds.dataset(table))


def test_points_that_crowd_at_the_transition_are_drawn_by_the_root_of_their_distance():
    near = dataset(points=((4000, 1600), (4000, 1980), (4000, 1996), (4000, 2400)))
    left, right = plugins.find("figures", "s_norm_and_margin")(near).axes
    assert (left.get_xscale(), right.get_xscale()) == ("function", "linear")
    apart = plugins.find("figures", "s_norm_and_margin")(dataset()).axes
    assert [axes.get_xscale() for axes in apart] == ["linear", "linear"]


def test_the_legend_keeps_clear_of_a_curve_that_starts_high():
    figure = plugins.find("figures", "separable_fraction")(dataset(points=((400, 205), (400, 240), (400, 260))))
    figure.draw_without_rendering()
    upper = figure.axes[0]
    box = next(each for each in upper.artists).get_window_extent()
    assert not [point for point in upper.transData.transform(upper.lines[0].get_xydata()) if box.contains(*point)]


@pytest.mark.parametrize("name", ["s_norm_and_margin", "projections", "margin_finite_size", "critical_growth"])
def test_rows_of_two_laws_or_with_every_draw_twice_are_not_averaged_together(name):
    frame = dataset().to_table().to_pandas()
    twice = pd.concat([frame.assign(loss=loss) for loss in ("logistic", "exponential")])
    with pytest.raises(ValueError, match="loss varies in these rows; this figure draws one value of it"):
        plugins.find("figures", name)(pds.dataset(pa.Table.from_pandas(twice, preserve_index=False)))


def test_rows_that_need_not_follow_wendels_law_are_not_drawn_on_it():
    frame = dataset().to_table().to_pandas().assign(model="logistic_signal", gamma=2.0)
    with pytest.raises(ValueError, match="logistic_signal, whose draws need not follow Wendel's law"):
        plugins.find("figures", "separable_fraction")(pds.dataset(pa.Table.from_pandas(frame, preserve_index=False)))
