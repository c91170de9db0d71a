import matplotlib as mpl
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from legible import unreadable
from matplotlib.figure import Figure
from sweepjax_cli import app

from sweepjax import plugins
from sweepjax.figures import needs_rows, shows_rows
from sweepjax.figures.predicted_times import times
from sweepjax.theory import s_inf, two_point
from sweepjax.theory.critical import s_inf_quantile
from sweepjax.theory.population import population_accuracy

LIMITS = ["critical_collapse", "critical_growth", "margin_finite_size", "relaxation"]
TWO_POINT = ["accuracy_time", "two_point_delay", "two_point_times"]
ALONE = ["accuracy_time", "svm_geometry", "two_point_delay"]
TIMES = np.concatenate([[0.0], np.geomspace(1e-2, 1e26, 281)])


def limits(lams=(0.45, 0.48, 0.5, 0.52), sizes=(100, 400), count: int = 30) -> pds.Dataset:
    """Rows shaped like those of the solver `limit`, half of them separable."""
    generator, frames = np.random.default_rng(0), []
    for n in sizes:
        for lam in lams:
            lengths = float(s_inf(min(lam, 0.49))) * (1 + 0.3 * generator.random(count))
            separable = np.arange(count) % 2 == 0
            keys = {
                "model": "logistic",
                "solver": "limit",
                "lam": lam,
                "n": n,
                "d": round(lam * n),
                "sigma": 1.0,
                "seed": 0,
            }
            keys |= {"realization": np.arange(count), "separable": separable, "certified": True}
            keys |= {"s_norm": np.where(separable, np.nan, lengths)}
            keys |= {"relaxation_rate": np.where(separable, np.nan, 2 / lengths**2)}
            keys |= {"margin": np.where(separable, (1 + generator.random(count)) / np.sqrt(n), np.nan)}
            frames.append(pd.DataFrame(keys))
    return table(frames)


def paths(lams=(0.45, 0.48, 0.4995, 0.52), sigmas=(10.0,)) -> pds.Dataset:
    """Rows shaped like those of the model `two_point` at large σ: S rests, and b falls."""
    frames = []
    for lam in lams:
        spread, rise = (float(of(lam)) if lam < 0.5 else 1.0 for of in (two_point.s_inf, two_point.loss_inf))
        b = -np.log1p(rise * TIMES)
        curves = {"time": TIMES, "train_loss": rise * np.exp(b), "test_loss": np.exp(b + spread**2 / 2)}
        curves |= {"log_test_loss": b + spread**2 / 2, "test_accuracy": population_accuracy(b, spread)}
        curves |= {"train_accuracy": np.where(TIMES > 0, 1.0, 0.0)}
        for sigma in sigmas:
            keys = {"model": ["two_point"], "solver": ["exact"], "lam": [lam], "sigma": [sigma], "seed": [0]}
            keys |= {"realization": [0]} | {name: [list(values)] for name, values in curves.items()}
            frames.append(pd.DataFrame(keys))
    return table(frames)


def table(frames: list[pd.DataFrame]) -> pds.Dataset:
    whole = pa.Table.from_pandas(pd.concat(frames), preserve_index=False)
    fields = [
        field.with_type(pa.list_(pa.float64(), len(TIMES))) if pa.types.is_list(field.type) else field
        for field in whole.schema
    ]
    return pds.dataset(whole.cast(pa.schema(fields)))


def draw(name: str, *rows: pds.Dataset) -> Figure:
    return plugins.find("figures", name)(*rows)


def texts(figure: Figure) -> set[str]:
    figure.draw_without_rendering()
    return {text.get_text() for text in figure.findobj(mpl.text.Text)}


ROWS = dict.fromkeys(LIMITS, limits) | dict.fromkeys(TWO_POINT, paths)
PICTURES = [*((name, (ROWS[name],)) for name in ROWS), *((name, ()) for name in ALONE)]


@pytest.mark.parametrize(("name", "rows"), PICTURES)
def test_a_figure_of_limits_is_one_column_wide_and_legible(name, rows, tmp_path):
    figure = draw(name, *(make() for make in rows))
    figure.savefig(tmp_path / "figure.png")
    assert figure.get_figwidth() == 3.4
    assert not unreadable(figure)


@pytest.mark.parametrize("name", LIMITS)
def test_each_size_has_its_name(name):
    assert {"N = 100", "N = 400"} <= texts(draw(name, limits()))


def test_the_figures_that_can_do_without_rows_are_these():
    found = {name for name in plugins.names("figures") if not needs_rows(plugins.find("figures", name))}
    assert set(ALONE) <= found
    assert not found & {"projections", "s_norm_and_margin", *LIMITS}


def test_two_figures_show_nothing_of_rows():
    alone = {name for name in plugins.names("figures") if not shows_rows(plugins.find("figures", name))}
    assert alone == {"separators", "svm_geometry"}


def test_the_constant_of_the_square_root_is_named():
    assert "ln²2 + π²/8 = 1.714" in texts(draw("critical_growth", limits()))


def test_the_power_of_the_relaxation_rate_is_that_of_the_largest_size():
    frame = limits(lams=(0.40, 0.45, 0.48)).to_table().to_pandas()
    frame["relaxation_rate"] = (1 - 2 * frame["lam"]) ** 1.5 * (1 + 0.01 * frame["realization"])
    labels = texts(draw("relaxation", pds.dataset(pa.Table.from_pandas(frame.fillna({"s_norm": 1.0})))))
    assert "power 1.50, N = 400" in labels


def test_draws_without_a_relaxation_rate_are_counted():
    frame = limits().to_table().to_pandas()
    assert not any("not drawn" in text for text in texts(draw("relaxation", table([frame]))))
    inseparable = frame.index[~frame["separable"]]
    frame.loc[inseparable[:3], "relaxation_rate"] = np.nan
    said = f"not drawn: 3 of {len(inseparable)} draws, whose μ is unknown"
    assert said in texts(draw("relaxation", table([frame])))


def trained(measured_over_predicted: float, *, lam: float = 0.45, n: int = 400, count: int = 30) -> pds.Dataset:
    """Trainings of the datasets of `limits`, each of which generalizes at a multiple of the time predicted for it."""
    drawn = limits(lams=(lam,), sizes=(n,), count=count).to_table().to_pandas()
    predicted = np.expm1(1.6448536 * drawn["s_norm"]) / 0.01
    when = (predicted * measured_over_predicted).fillna(np.inf).to_numpy()
    accuracy = [list(np.where(each <= TIMES, 1.0, 0.5)) for each in when]
    each = {"time": [list(TIMES)] * count, "train_accuracy": [[1.0] * len(TIMES)] * count, "test_accuracy": accuracy}
    return table([drawn.drop(columns=["s_norm", "margin", "relaxation_rate", "separable", "certified"]).assign(**each)])


def with_loss(rows: pds.Dataset) -> pds.Dataset:
    found = rows.to_table()
    return pds.dataset(found.append_column("loss_inf", pa.array(np.full(len(found), 0.01))))


def test_a_time_is_predicted_by_the_limit_of_the_dataset():
    known = with_loss(limits(lams=(0.45,), sizes=(400,)))
    found = times(trained(3.0), known).query("not separable")
    assert len(found) == 15
    # The time lies within a recorded interval of an eighth of a decade.
    np.testing.assert_allclose(np.log10(found["t_test"] / found["predicted"]), np.log10(3), atol=0.1)


def test_the_prediction_says_how_many_datasets_of_each_kind_generalize():
    known = with_loss(limits(lams=(0.45,), sizes=(400,)))
    said = texts(draw("predicted_times", trained(1.0), known))
    assert any(each.startswith("15 of 15 inseparable datasets reach it\n0 of 15 separable") for each in said)


def test_a_prediction_without_limits_asks_for_them():
    with pytest.raises(ValueError, match="then rows of solver limit"):
        draw("predicted_times", trained(1.0))


@pytest.mark.parametrize(("name", "values"), [("model", ("labelled", "logistic")), ("anisotropy", (1.0, 2.0))])
def test_limits_of_another_law_are_not_drawn_beside_trainings(name, values):
    frames = [each.to_table().to_pandas() for each in (trained(1.0), with_loss(limits(lams=(0.45,), sizes=(400,))))]
    both = [table([f.assign(**{"model": "symmetric", name: v})]) for f, v in zip(frames, values, strict=True)]
    with pytest.raises(ValueError, match=f"{name} is {values[1]}, {values[0]} in these rows"):
        draw("predicted_times", *both)


def test_a_field_that_neither_rows_have_keeps_no_limits_from_trainings():
    frames = [each.to_table().to_pandas() for each in (trained(1.0), with_loss(limits(lams=(0.45,), sizes=(400,))))]
    both = [table([frame.assign(model="symmetric", anisotropy=np.nan)]) for frame in frames]
    assert any(each.startswith("15 of 15 inseparable") for each in texts(draw("predicted_times", *both)))


def test_the_median_of_the_collapse_is_held_against_its_limit():
    assert "N → ∞: 1.594" in texts(draw("critical_collapse", limits()))


@pytest.mark.slow
def test_quantiles_of_the_law_itself_lie_on_it():
    upper, _ = draw("critical_collapse", lawful()).axes
    ratios = np.concatenate([curve.get_ydata() for curve in upper.lines if curve.get_marker() == "o"])
    np.testing.assert_allclose(ratios, 1, atol=0.06)


def lawful(sizes=(64, 256), count=400):
    """Inseparable rows at λ = 1/2 that are the quantiles of the law at each N."""
    q, frames = (np.arange(count) + 0.5) / count, []
    for n in sizes:
        keys = {"model": "logistic", "solver": "limit", "lam": 0.5, "n": n, "d": n // 2, "sigma": 1.0, "seed": 0}
        keys |= {"realization": np.arange(count), "separable": False, "certified": True}
        frames.append(pd.DataFrame(keys | {"s_norm": s_inf_quantile(q, n=n), "margin": np.nan}))
    return table(frames)


@pytest.mark.slow
def test_one_size_alone_is_no_collapse():
    with pytest.raises(ValueError, match="these rows are of one N, 64; a collapse compares several"):
        draw("critical_collapse", lawful(sizes=(64,)))


def test_the_nearest_weights_lie_on_the_b_axis_unless_the_points_are_separable():
    ends = [axes.lines[-1].get_xydata()[0] for axes in draw("svm_geometry").axes]
    np.testing.assert_allclose(ends, [[0, 1], [0, 1], [-0.4, 0.8]])


@pytest.mark.slow
def test_a_measured_time_has_the_colour_of_the_map_at_its_place():
    figure = draw("accuracy_time", paths(lams=(0.45, 0.48)))
    circles = figure.axes[0].collections[-1]
    np.testing.assert_allclose(circles.get_array(), two_point.accuracy_time_limit(0.95, [0.45, 0.48]), rtol=1e-2)


@pytest.mark.slow
def test_the_limiting_accuracy_of_the_two_point_model_is_one_below_the_transition_and_at_it():
    limit = next(line for line in draw("two_point_times", paths()).axes[1].lines if line.get_label() == "t → ∞")
    lam, accuracy = np.asarray(limit.get_xdata()), np.asarray(limit.get_ydata())
    assert np.all(accuracy[lam <= 0.5] == 1)
    assert np.all(np.diff(accuracy[lam >= 0.5]) <= 0)
    assert accuracy[-1] < 0.8


def test_the_delay_is_drawn_where_both_losses_cross_the_threshold():
    _, delays = draw("two_point_delay", paths()).axes
    rings = [line for line in delays.lines if line.get_marker() == "o"]
    exact = next(line for line in delays.lines if line.get_label() == "exponential loss, any ε")
    gap, height = np.asarray(exact.get_xdata()), np.asarray(exact.get_ydata())
    for line in rings:
        known = np.interp(np.log(line.get_xdata()), np.log(gap), height)
        np.testing.assert_allclose(line.get_ydata(), known, rtol=5e-3)


@pytest.mark.parametrize("name", LIMITS)
def test_rows_without_a_limit_are_refused_by_a_sentence(name):
    with pytest.raises(ValueError, match="solver limit"):
        draw(name, paths())


@pytest.mark.parametrize("name", TWO_POINT)
def test_rows_without_time_are_refused_by_a_sentence(name):
    with pytest.raises(ValueError, match="this figure draws rows of the model two_point over time"):
        draw(name, limits())


@pytest.mark.parametrize("name", TWO_POINT)
def test_rows_of_another_model_are_refused_by_name(name):
    rows = paths().to_table().to_pandas().assign(model="logistic")
    with pytest.raises(ValueError, match="of the model logistic; this figure draws two_point"):
        draw(name, table([rows]))


def test_rows_away_from_the_transition_are_refused_where_it_is_what_is_shown():
    with pytest.raises(ValueError, match="at λ = 1/2"):
        draw("critical_collapse", limits(lams=(0.45,)))


def test_two_widths_are_too_many_for_one_scan_over_lambda():
    with pytest.raises(ValueError, match="2 values of σ"):
        draw("two_point_times", paths(sigmas=(5.0, 10.0)))


def test_a_figure_that_needs_no_rows_is_plotted_without_a_directory(tmp_path):
    assert app(["plot", "--figure", "svm_geometry", "-o", str(tmp_path / "p.png")]) == 0
    assert (tmp_path / "p.png").stat().st_size > 5000


@pytest.mark.parametrize("figure", [[], ["--figure", "critical_growth"]])
def test_a_figure_that_needs_rows_asks_for_a_directory(figure, tmp_path, capsys):
    assert app(["plot", *figure, "-o", str(tmp_path / "p.png")]) == 2
    assert "no directory was given" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
