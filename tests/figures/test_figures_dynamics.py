"""The figures of trainings: each draws from a few rows, and says what it lacks."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from legible import unreadable

from sweepjax import plugins
from sweepjax.figures import check_count
from sweepjax.figures._drawing import time_color
from sweepjax.figures._variation import points_of, varying
from sweepjax.theory.margin import limiting_accuracy
from sweepjax.theory.population import population_accuracy
from sweepjax.theory.projections import margin_projection_density, projection_density
from sweepjax.theory.s_inf import loss_inf, s_inf

TIMES = np.concatenate([[0], np.logspace(-2, 12, 15)])
LAMBDAS = (0.1, 0.3, 0.4, 0.45)


def trainings(lam=LAMBDAS, *, count=3, sigma=5.0, loss="logistic", solver="gradient_flow", **fields):
    """Rows of trainings that follow the law of late times all the time: S = S_∞ and e^(-b) = 1 + L_∞ t."""
    return stored(
        [line(each, k, sigma=sigma) | fields | {"loss": loss, "solver": solver} for each in lam for k in range(count)]
    )


def line(lam, realization, *, sigma):
    """One row; its S_∞ is that of N → ∞ but for one per cent a realization."""
    bound = min(lam, 0.45)
    spread, level = float(s_inf(bound)) * (1 + 0.01 * realization), float(loss_inf(bound))
    b = -np.log1p(level * TIMES)
    curves = {
        "time": TIMES,
        "s_norm": np.full_like(TIMES, spread / sigma),
        "b": b,
        "train_accuracy": np.minimum(0.5 + TIMES, 1),
    }
    curves |= {"test_accuracy": population_accuracy(b, spread), "train_loss": level * np.exp(b)}
    curves |= {
        "test_loss": np.exp(b + spread**2 / 2),
        "conformal_time": np.log1p(TIMES),
        "bias_ratio": -b * sigma / spread,
    }
    curves |= {f"log_{name}": np.log(curves[name]) for name in ("train_loss", "test_loss")}
    names = {"model": "logistic", "lam": lam, "n": 400, "d": round(400 * lam), "sigma": sigma, "seed": 0}
    return names | {"realization": realization, "init_norm": 0.1} | curves


def steps(**fields):
    """Rows of Adam; the curves need mean nothing."""
    lines = [line(0.45, k, sigma=1.0) | {"step": np.arange(len(TIMES)), "learning_rate": 1e-3} for k in range(2)]
    return stored([each | {"solver": "adam", "b1": 0.9} | fields for each in lines])


def limits(lam=LAMBDAS, *, count=3, sigma=5.0):
    """Rows of the solver limit of the same datasets: separable from λ = 1/2 on."""
    found = []
    for each in lam:
        for k in range(count):
            names = {
                "model": "logistic",
                "solver": "limit",
                "lam": each,
                "n": 400,
                "d": round(400 * each),
                "sigma": sigma,
            }
            inside = {"s_norm": float(s_inf(min(each, 0.45))) / sigma, "loss_inf": float(loss_inf(min(each, 0.45)))}
            outside = {"margin": 0.1 * sigma}
            kept = dict.fromkeys(inside if each > 0.5 else outside, np.nan) | (outside if each > 0.5 else inside)
            found.append(names | {"seed": 0, "realization": k, "separable": each > 0.5} | kept)
    return pds.dataset(pa.Table.from_pandas(pd.DataFrame(found)))


def stored(lines):
    columns = {name: [line[name] for line in lines] for name in lines[0]}
    return pds.dataset(pa.table({name: column(values) for name, values in columns.items()}))


def column(values):
    return fixed(np.array(values)) if np.ndim(values[0]) else pa.array(values)


def fixed(values):
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def draw(name, *tables):
    return plugins.find("figures", name)(*tables)


def words(figure):
    figure.draw_without_rendering()
    return {text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()}


def numbers(values):
    return np.asarray(values, dtype=np.float64)


DRAWN = {
    "trajectories": lambda: [trainings()],
    "loss_and_accuracy": lambda: [trainings()],
    "conformal_time": lambda: [stored([*lines("logistic"), *lines("exponential")])],
    "grokking_delay": lambda: [trainings()],
    "loss_delay": lambda: [trainings()],
    "adam_plateau": lambda: [steps()],
    "approach_to_limit": lambda: [trainings((0.3, 0.6)), limits((0.3, 0.6))],
}


def lines(loss):
    return [line(lam, 0, sigma=5.0) | {"loss": loss, "solver": "gradient_flow"} for lam in LAMBDAS]


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_is_one_or_two_columns_wide_and_nothing_is_smaller_than_seven_points(name, tmp_path):
    figure = draw(name, *DRAWN[name]())
    figure.savefig(tmp_path / "figure.png")
    assert figure.get_figwidth() == (7.0 if name == "loss_and_accuracy" else 3.4)
    assert not unreadable(figure)


@pytest.mark.parametrize("name", DRAWN)
def test_rows_without_times_are_refused_in_a_sentence(name):
    with pytest.raises(ValueError, match=r"these rows have no .*; this figure draws|this figure compares"):
        draw(name, limits())


def test_two_varying_fields_make_columns_of_the_one_with_fewer_values():
    lines = [line(lam, 0, sigma=sigma) | {"solver": "gradient_flow"} for lam in (0.3, 0.4) for sigma in (1.0, 2.0, 5.0)]
    figure = draw("trajectories", stored(lines))
    assert len(figure.axes) == 6
    assert {"λ = 0.3", "λ = 0.4", "σ = 1", "σ = 2", "σ = 5"} <= words(figure)


def test_tables_of_two_solvers_are_drawn_together_and_told_apart():
    tables = trainings((0.45,), sigma=1.0), steps()
    assert varying(points_of(tables)) == ["solver"]
    assert {"gradient flow", "Adam"} <= words(draw("trajectories", *tables))


def test_losses_and_labels_are_said_in_words():
    lines_of = [*lines("logistic"), *lines("exponential")]
    figure = draw("trajectories", stored([each for each in lines_of if each["lam"] == 0.4]))
    assert {"cross entropy", "exponential loss"} <= words(figure)


def test_with_the_limits_of_the_datasets_diamonds_and_labels_are_those_of_the_dataset():
    figure = draw("trajectories", trainings((0.3, 0.6), count=1), limits((0.3, 0.6), count=1))
    accuracy, weights = figure.axes[1:3]
    ends = [[mark.get_ydata()[0] for mark in axes.lines if mark.get_marker() == "D"] for axes in (accuracy, weights)]
    np.testing.assert_allclose(ends[0], [1.0, 0.655422], atol=1e-6)  # Φ(1/σM), M = 0.5 of σ = 5
    np.testing.assert_allclose(ends[1], [float(s_inf(0.3)) / 5])
    assert {"λ = 0.3, inseparable", "λ = 0.6, separable", "t → ∞, this dataset"} <= words(figure)


def test_where_columns_tell_the_classes_apart_their_titles_say_them():
    starts = [trainings((0.3, 0.6), count=1, init_norm=norm) for norm in (0.1, 1.0)]
    figure = draw("trajectories", *starts, limits((0.3, 0.6), count=1))
    assert {"λ = 0.3, inseparable", "λ = 0.6, separable", "‖S₀‖ = 0.1", "‖S₀‖ = 1"} <= words(figure)


def test_points_of_several_datasets_keep_the_limits_of_many_samples():
    assert "λ = 0.3" in words(draw("trajectories", trainings((0.3, 0.6), count=2), limits((0.3, 0.6), count=2)))


def projected(lam, *, n=4000, bins=120):
    """A row whose samples lie on the exact density: a normal law, pushed back or cut."""
    middle = (np.arange(bins) + 0.5) * 12 / bins - 6
    density = projection_density(middle, lam) if lam < 0.5 else margin_projection_density(middle, lam)
    counts = np.stack([np.zeros(bins), density * n * 12 / bins])
    keys = {"model": "logistic", "solver": "gradient_flow", "lam": lam, "n": n, "d": round(lam * n), "sigma": 1.0}
    inner = fixed(counts)
    row = pa.FixedSizeListArray.from_arrays(inner, 2)
    table = pa.table({name: [value] for name, value in (keys | {"seed": 0, "realization": 0}).items()})
    return table.append_column("projection_histogram", row)


def test_projections_that_lie_on_the_exact_density_are_drawn_on_it():
    figure = draw("projection_densities", pds.dataset(pa.concat_tables([projected(0.4), projected(0.6)])))
    for axes in figure.axes:
        law = next(curve for curve in axes.lines if len(curve.get_xdata()) > 100)
        heights, edges, _ = axes.patches[1].get_data()
        places = (edges[:-1] + edges[1:]) / 2
        inside = (places > -3) & (places < -0.3)
        drawn = np.interp(places[inside], law.get_xdata(), law.get_ydata())
        whole = heights[inside].sum() / drawn.sum()
        np.testing.assert_allclose(heights[inside], whole * drawn, rtol=2e-2)
    assert {"λ = 0.4, N = 4000", "λ = 0.6, N = 4000", "0.546 at -M"} <= words(figure)


def test_projections_say_the_class_of_a_dataset_that_is_known():
    known = limits((0.4,), count=1).to_table()
    place = known.schema.get_field_index("n"), known.schema.get_field_index("d")
    known = known.set_column(place[0], "n", pa.array([4000])).set_column(place[1], "d", pa.array([1600]))
    figure = draw("projection_densities", pds.dataset(projected(0.4)), pds.dataset(known))
    assert "λ = 0.4, N = 4000, inseparable" in words(figure)


def test_the_line_between_two_gaussians_tilts_where_they_are_wide():
    figure = draw("separators")
    slopes = [np.ptp(numbers(axes.lines[-1].get_xdata())) for axes in figure.axes]
    assert slopes == sorted(slopes)
    assert slopes[0] == 0
    assert r"$\sigma_A$ = 0.05, accuracy 0.963" in words(figure)


def test_trajectories_end_at_the_exact_limits_of_gradient_solvers_only():
    for solver, ends in (("gradient_flow", [[1.0], [float(s_inf(0.4, sigma=5.0))]]), ("adam", [[], []])):
        _, accuracy, weights = draw("trajectories", trainings((0.4,), solver=solver)).axes
        found = [
            [mark.get_ydata()[0] for mark in axes.lines if mark.get_marker() == "D"] for axes in (accuracy, weights)
        ]
        assert found == ends


def test_tables_are_refused_where_a_figure_draws_one():
    with pytest.raises(ValueError, match="2 different sets of columns, which figure grokking_delay"):
        check_count(plugins.find("figures", "grokking_delay"), 2)
    check_count(plugins.find("figures", "trajectories"), 5)
    check_count(plugins.find("figures", "approach_to_limit"), 2)


def test_accuracy_follows_the_law_of_late_times_that_the_rows_obey():
    _, _, accuracy, _ = draw("loss_and_accuracy", trainings(count=1)).axes
    laws = [curve for curve in accuracy.lines if curve.get_linestyle() == "--" and len(curve.get_xdata()) > 20]
    marks = [curve for curve in accuracy.lines if curve.get_marker() == "o" and len(curve.get_xdata()) == len(LAMBDAS)]
    for law, mark in zip(laws, marks[-len(laws) :], strict=True):
        reached = np.interp(numbers(mark.get_xdata())[:3], law.get_xdata(), law.get_ydata())
        np.testing.assert_allclose(reached, numbers(mark.get_ydata())[:3], atol=2e-3)


def test_a_time_has_the_same_colour_however_long_the_record_is():
    every = {str(mark.get_label()): mark.get_color() for mark in legend_of(draw("loss_and_accuracy", trainings()))}
    assert every["$t = 10^{4}$"] == time_color(1e4)
    assert every["$t = 10^{12}$"] == time_color(1e12) == time_color(1e20)
    assert len(set(every.values())) == len(every) > 4


def legend_of(figure):
    """The samples of marks in a legend of times."""
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    (legend,) = [legend for legend in legends if legend.get_title().get_text() == "η = 1"]
    for mark, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
        mark.set_label(text.get_text())
    return legend.legend_handles


def test_an_interval_without_an_upper_end_goes_on_to_the_top_of_the_picture():
    slow = trainings((0.3, 0.4), count=6, loss="exponential").to_table().to_pandas()
    never = [np.maximum(curve, 1.0) if place % 6 > 3 else curve for place, curve in enumerate(slow["test_loss"])]
    (axes,) = draw(
        "loss_delay",
        stored(slow.assign(test_loss=never, log_test_loss=[np.log(each) for each in never]).to_dict("records")),
    ).axes
    (bars,) = [container for container in axes.containers if len(container.lines[2])]
    ends = np.array([segment[1, 1] for segment in bars.lines[2][0].get_segments()])
    assert np.all(ends > axes.get_ylim()[1])


def test_a_sweep_of_more_than_lambda_is_refused_by_figures_along_lambda():
    both = stored([line(0.3, 0, sigma=sigma) | {"solver": "gradient_flow", "loss": "logistic"} for sigma in (1.0, 5.0)])
    for name in ("loss_and_accuracy", "grokking_delay", "loss_delay"):
        with pytest.raises(ValueError, match="sigma varies in these rows"):
            draw(name, both)


def test_sizes_that_share_their_lambda_are_not_pooled_by_figures_along_lambda():
    known = trainings((0.3, 0.4)).to_table().to_pandas()
    sizes = stored(
        [*known.to_dict("records"), *known.assign(n=200, d=(200 * known["lam"]).round().astype(int)).to_dict("records")]
    )
    for name in ("loss_and_accuracy", "grokking_delay", "loss_delay"):
        with pytest.raises(ValueError, match="these rows have several sizes at one λ; this figure draws one N at each"):
            draw(name, sizes)


def test_what_the_theory_of_a_figure_does_not_hold_for_is_refused():
    with pytest.raises(
        ValueError,
        match=r"solver adam; this figure draws one of: .*gradient_descent, gradient_flow, .*sgd",
    ):
        draw("grokking_delay", trainings(solver="adam"))
    with pytest.raises(ValueError, match="these rows have one λ"):
        draw("loss_and_accuracy", trainings((0.3,)))
    with pytest.raises(ValueError, match="solver gradient_descent; this figure draws one of: adam, adamw, lion"):
        draw("adam_plateau", steps(solver="gradient_descent"))


def test_medians_beyond_the_record_stand_at_its_end():
    upper, _ = draw("grokking_delay", trainings((0.3, 0.4))).axes
    triangles = [mark for mark in upper.lines if mark.get_marker() == "^"]
    assert not triangles
    slow = trainings((0.3, 0.4), sigma=5.0)
    table = slow.to_table().set_column(
        slow.schema.get_field_index("test_accuracy"), "test_accuracy", fixed(np.full((6, TIMES.size), 0.6))
    )
    upper, _ = draw("grokking_delay", pds.dataset(table)).axes
    (mark,) = [mark for mark in upper.lines if mark.get_marker() == "^"]
    np.testing.assert_allclose(mark.get_ydata(), TIMES[-1])
    np.testing.assert_allclose(numbers(mark.get_xdata()), [0.3, 0.4])


def test_the_delay_of_exponential_losses_lies_on_its_exact_curve():
    figure = draw("loss_delay", trainings((0.2, 0.3, 0.35, 0.4), count=1, loss="exponential"))
    (axes,) = figure.axes
    (points,) = [curve for curve in axes.lines if curve.get_marker() == "s"]
    (exact, _) = [curve for curve in axes.lines if curve.get_marker() == "None" and len(curve.get_xdata()) == 4]
    np.testing.assert_allclose(numbers(points.get_ydata()), exact.get_ydata(), rtol=1e-3)
    assert any("exponential" in word and "slope" in word for word in words(figure))


def test_the_plateau_of_adam_is_drawn_at_its_height():
    assert any("0.530" in word for word in words(draw("adam_plateau", steps())))


def test_trainings_that_obey_the_law_arrive_at_the_limit_of_their_dataset():
    upper, _ = draw("approach_to_limit", trainings((0.3, 0.6)), limits((0.3, 0.6))).axes
    points = upper.lines[0]
    np.testing.assert_allclose(numbers(points.get_ydata()), numbers(points.get_xdata()), rtol=1e-9)


def test_separable_datasets_are_held_against_the_accuracy_of_their_margin():
    _, lower = draw("approach_to_limit", trainings((0.3, 0.6)), limits((0.3, 0.6))).axes
    np.testing.assert_allclose(numbers(lower.lines[0].get_xdata()), limiting_accuracy(0.5, sigma=5.0))


def test_datasets_without_a_limit_are_missed_in_a_sentence():
    with pytest.raises(ValueError, match="no dataset is in both"):
        draw("approach_to_limit", trainings((0.3,)), limits((0.4,)))
    with pytest.raises(ValueError, match=r"the second rows have no .*; give rows of the solver limit"):
        draw("approach_to_limit", trainings((0.3,)), trainings((0.3,)))


def test_conformal_time_draws_the_limits_of_the_datasets_where_they_are_given():
    (rows,) = DRAWN["conformal_time"]()
    upper, _ = draw("conformal_time", rows, limits()).axes
    heights = {round(curve.get_ydata()[0], 6) for curve in upper.lines if curve.get_linestyle() == "--"}
    assert heights == {round(float(s_inf(lam, sigma=5.0)), 6) for lam in LAMBDAS}


def test_the_plateau_says_the_class_of_its_dataset_and_where_epsilon_slows_the_bias():
    known = limits((0.45,), count=2, sigma=1.0)
    assert {"inseparable datasets", r"$\log\,1/\epsilon$"} <= words(draw("adam_plateau", steps(eps=1e-8), known))


@pytest.mark.parametrize(
    "name",
    ["trajectories", "loss_and_accuracy", "approach_to_limit", "grokking_delay", "predicted_times", "conformal_time"],
)
def test_trainings_of_which_the_start_alone_is_recorded_are_refused_in_one_sentence(name):
    whole = DRAWN[name]()[0] if name == "conformal_time" else trainings()
    known = whole.to_table().to_pandas()
    known = known.map(lambda value: value[:1] if isinstance(value, np.ndarray) else value)
    tables = [
        stored(known.to_dict("records")),
        *([limits()] if name in ("approach_to_limit", "predicted_times") else []),
    ]
    with pytest.raises(ValueError, match="these rows have nothing recorded after the start"):
        draw(name, *tables)


@pytest.mark.parametrize("name", ["approach_to_limit", "predicted_times"])
def test_a_training_that_diverged_is_not_drawn_and_does_not_reach_anything(name):
    known = trainings().to_table().to_pandas().to_dict("records")
    curves = [each for each, value in known[0].items() if isinstance(value, np.ndarray) and each != "time"]
    figure = draw(name, stored([known[0] | dict.fromkeys(curves, np.full_like(TIMES, np.nan)), *known[1:]]), limits())
    assert any("1 not drawn" in text or text.startswith("11 of 12 inseparable") for text in words(figure))
