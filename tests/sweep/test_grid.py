import importlib
import time
from itertools import islice
from typing import ClassVar

import jax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweepjax.engine.sizes import default_chunk_rows
from sweepjax.presets import preset, preset_names, preset_summary, preset_text
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import parameter, plugin


class Idle:
    """What every solver has; nothing here is computed."""

    stages: ClassVar = ()

    def init(self, problem):
        return ()

    def waits(self, state, until):
        return 0

    def params(self, problem, state, time):
        return problem.start

    def info(self, problem, state):
        return {}


@plugin
class Still(Idle):
    """A solver without clock, for models with signed rows."""

    clock: ClassVar = "none"
    needs: ClassVar = "signed_rows"


@plugin
class Steps(Idle):
    """A solver in steps, with one field of each type."""

    learning_rate: float = parameter(0.01, above=0)
    depth: int = parameter(2, at_least=1)
    rule: str = parameter("plain", choices=("plain", "nesterov"))
    clock: ClassVar = "step"


@plugin
class Spins:
    """A model with n alone."""

    n: int = parameter(10, at_least=2)
    field: float = parameter(0.5)

    def sample(self, key):
        return jax.random.normal(key, (self.n, self.n))

    def init(self, key, data):
        return ()

    def metrics(self, params, data):
        return {}


STILL, STEPS, SPINS = "test_grid:Still", "test_grid:Steps", "test_grid:Spins"
if __name__ != "test_grid":
    importlib.import_module("test_grid")  # now, and not inside a test of hypothesis


def sweep(**options):
    return Sweep(solver=STILL).replaced(**options)


def shapes(**options):
    return [(task.model.n, task.model.d) for task in sweep(**options).tasks()]


def test_nothing_given_is_the_scan_across_the_edge_at_n_400():
    assert shapes() == [(400, d) for d in range(160, 241, 4)]


def test_lambda_alone_takes_n_400():
    assert shapes(lam=0.45) == [(400, 180)]


def test_n_alone_takes_the_default_lambda():
    assert shapes(n=10) == [(10, 4), (10, 5), (10, 6)]


def test_d_alone_takes_n_400():
    assert shapes(d="100,200") == [(400, 100), (400, 200)]


def test_lambda_and_d_decide_n():
    assert shapes(lam="0.4,0.5", d=100) == [(200, 100), (250, 100)]


def test_n_and_d_are_a_product():
    assert shapes(n="10,20", d="3,4") == [(10, 3), (10, 4), (20, 3), (20, 4)]


@pytest.mark.parametrize(("lam", "n", "d"), [("0.45", 10, 5), ("0.35", 10, 4), ("0.145", 100, 15), ("0.57", 50, 29)])
def test_halves_are_rounded_up_in_exact_decimals(lam, n, d):
    assert shapes(lam=lam, n=n) == [(n, d)]


def test_all_three_of_lambda_n_and_d_are_refused():
    with pytest.raises(ValueError, match="at most two"):
        Sweep(solver=STILL, axes=(("lam", "0.5"), ("n", "10"), ("d", "5")))


@pytest.mark.parametrize(("axes", "reason"), [({"lam": 0}, "above 0"), ({"lam": 0.001, "n": 10}, "makes d = 0")])
def test_a_lambda_without_a_shape_is_refused(axes, reason):
    with pytest.raises(ValueError, match=reason):
        sweep(**axes)


def test_points_that_coincide_are_merged_and_the_merge_is_said():
    assert "18 of 21 points (n, d) coincide with others and are merged" in sweep(n=10).notes()


def test_rounding_of_lambda_is_said():
    assert "lam is d/n: rounding moves it by at most 0.05" in sweep(n=10, lam="0.45").notes()


def test_an_exact_sweep_is_echoed_and_nothing_more():
    assert sweep().notes() == ["lam 0.4 to 0.6, 21 points", "n 400", "d 160 to 240, 21 points"]


def test_merged_steps_are_said():
    notes = Sweep(solver=STEPS, until=10, record="50").notes()
    assert notes[-1] == "record 11 steps, 0 to 10; 39 equal steps are merged"


def test_integers_and_texts_part_families_and_floats_and_seeds_do_not():
    plan = Sweep(solver=STEPS, until=1).replaced(
        n=10, d=5, sigma="1,2", seed="0:2", loss="logistic,exponential", depth="1:3", learning_rate="0.1,0.2"
    )
    families = list(plan.families())
    assert [len(family.tasks) for family in families] == [12] * 6
    assert (plan.family_count, plan.family_sizes, plan.points) == (6, {12: 6}, 72)


def test_tasks_are_distinct():
    tasks = list(sweep(sigma="1,2", seed="0,1").tasks())
    assert len(set(tasks)) == len(tasks) == 84


def test_tasks_carry_times_and_defaults():
    (task,) = Sweep(solver=STEPS, until=2).replaced(n=4, d=2).tasks()
    assert (task.times, task.seed, task.solver.learning_rate) == ((0.0, 1.0, 2.0), 0, 0.01)


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 9), st.integers(1, 40))
def test_chunks_tile_every_family_exactly(families, tasks, realizations, rows):
    plan = sweep(n=50, d=f"1:{families}", seed=f"1:{tasks}", realizations=realizations)
    chunks = list(plan.chunks(rows))
    tiled = [(chunk.family.id, row) for chunk in chunks for row in range(chunk.start, chunk.stop)]
    assert tiled == [(f.id, row) for f in plan.families() for row in range(tasks * realizations)]
    assert len(chunks) == plan.chunk_count(rows)
    assert len(tiled) == plan.rows_total


def test_more_realizations_append_rows_and_change_none():
    few, many = (list(sweep(n=10, d=5, seed="0:2", realizations=r).chunks(4)) for r in (4, 9))
    assert [(c.family, c.start, c.stop) for c in many[: len(few)]] == [(c.family, c.start, c.stop) for c in few]


def test_a_million_points_are_planned_without_building_them():
    begin = time.perf_counter()
    plan = sweep(n="101:1100", d=50, sigma="1:2@1000", realizations=10**6)
    first = list(islice(plan.chunks(100), 3))
    assert (plan.points, plan.rows_total, plan.chunk_count(100)) == (10**6, 10**12, 10**10)
    assert first[-1].start == 200
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ({"sigma": "1:2@2000", "seed": "0:1999"}, "differ only in floats and seeds"),
        ({"n": "101:10100", "d": 50, "sigma": "1:2@1001"}, "10010000 points"),
        ({"n": "1:2000", "d": "1:2000"}, "shapes"),
    ],
)
def test_a_sweep_beyond_all_means_is_refused(axes, reason):
    with pytest.raises(ValueError, match=reason):
        sweep(**axes)


@pytest.mark.parametrize(
    "options",
    [
        {"lam": "0.4:0.6:0.01"},
        {"n": 400, "d": "160:240:4"},
        {"lam": "0.5:0.6:0.01,0.40:0.5:0.01"},
        {"sigma": "1.0", "seed": [0], "loss": "logistic"},
        {"realizations": 7},
        {"model": "sweepjax.models.logistic:Logistic"},
    ],
)
def test_identity_is_of_values_not_of_spelling_or_realizations(options):
    options = {"lam": "0.40:0.60", **options} if "d" not in options else options
    assert sweep(**options).id == sweep().id


@pytest.mark.parametrize(
    "options", [{"lam": "0.4:0.59"}, {"sigma": 2}, {"seed": 1}, {"loss": "exponential"}, {"n": 401}]
)
def test_identity_depends_on_every_value(options):
    assert sweep(**options).id != sweep().id


def test_identity_depends_on_the_times_and_not_on_their_spelling():
    ids = [Sweep(solver=STEPS, until=until, record=record).id for until, record in [(2, None), (2, "0:2"), (3, None)]]
    assert ids[0] == ids[1] != ids[2]


def test_differences_are_sentences_about_what_differs():
    mine, other = sweep(sigma=2, realizations=3), sweep(lam="0.3:0.6", sigma="2.0")
    assert mine.differences(other) == ["lambda: 0.4:0.6 here, 0.3:0.6 there"]


def test_a_default_differs_from_a_value_and_says_both():
    assert sweep().differences(sweep(sigma=2)) == ["sigma: 1.0 here, 2 there"]


@pytest.mark.parametrize(
    "other",
    [
        {"n": 400, "d": "160:240:4"},
        {"lam": "0.4:0.6@21", "realizations": 9},
        {"model": "sweepjax.models.logistic:Logistic"},
    ],
)
def test_sweeps_of_one_identity_have_no_differences(other):
    assert sweep().differences(sweep(**other)) == []


def test_lambda_differs_also_where_it_is_no_ratio_of_integers():
    mine, other = (Sweep(model="two_point", solver="exact", until=10).replaced(lam=lam) for lam in ("0.4", "0.4,0.45"))
    assert mine.differences(other) == ["lambda: 0.4 here, 0.4,0.45 there"]


def test_differences_of_the_solver_name_both_sides():
    said = sweep().differences(Sweep(solver=STEPS, until=5))
    assert f"solver: {STILL} here, {STEPS} there" in said
    assert "until: nothing here, 5 there" in said


axis_texts = st.sampled_from(["0.4:0.6", "1", "1.0", "0.5,0.6", "log:0.1:1@4", "1e-1:1@30", "0.10"])


@settings(max_examples=50)
@given(lam=axis_texts, sigma=axis_texts, seed=st.integers(0, 2**32 - 1), realizations=st.integers(1, 2**32 - 1))
def test_toml_round_trips_exactly(lam, sigma, seed, realizations):
    plan = sweep(sigma=sigma, lam=lam, seed=seed, loss="exponential", realizations=realizations)
    assert Sweep.from_toml(plan.to_toml()) == plan


def test_toml_round_trips_times():
    plan = Sweep(solver=STEPS, until=1000.0, record="50")
    assert Sweep.from_toml(plan.to_toml()) == plan


def test_toml_is_what_a_person_would_write():
    text = sweep(lam="0.4:0.6", n=400, sigma="2.5").to_toml()
    assert text.splitlines()[2:] == ['lambda = "0.4:0.6"', "n = 400", "sigma = 2.5", "realizations = 100"]


def test_toml_takes_numbers_lists_and_axis_texts():
    plan = Sweep.from_toml(f'solver = "{STILL}"\nn = [100, "200:202"]\nd = 50\nchunk = 64')
    assert plan.shapes == ((100, 50), (200, 50), (201, 50), (202, 50))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("realisations = 5", "did you mean 'realizations'"),
        ("sigm = 5", "did you mean 'sigma'"),
        ("sigma = true", "'true' in the axis 'true' is not a number"),
        ("until = '5'", "give a number"),
        ("= 5", "not TOML"),
        ("sigma = nan", "finite"),
    ],
)
def test_a_toml_line_that_means_nothing_is_refused_with_a_reason(line, reason):
    with pytest.raises(ValueError, match=reason):
        Sweep.from_toml(f"solver = '{STILL}'\n{line}")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sigma": -1}, "sigma = -1 is not allowed; give numbers at least 1e-30"),
        ({"loss": "hinge"}, "loss = 'hinge' is not allowed; give one of: logistic, exponential"),
        ({"seed": 2**32}, "seed = 4294967296 is not allowed"),
        ({"seed": -1}, "seed = -1"),
        ({"sigma": "2:1"}, "sigma: the range '2:1' runs backwards"),
        ({"n": 0}, "n = 0"),
        ({"sigme": 1}, "did you mean 'sigma'"),
        ({"realizations": 0}, "whole number from 1"),
        ({"realizations": 2.5}, "whole number from 1"),
        ({"realizations": 2**32}, "4294967295"),
        ({"model": "logistics"}, "did you mean 'logistic'"),
        ({"until": 5}, "no clock"),
        ({"observe": "nothing_such"}, "unknown observable"),
        ({"lam": 0.5, "lambda": 0.4}, "same axis"),
        ({"model": "json:JSONDecoder"}, "no plug-in"),
    ],
)
def test_what_is_not_allowed_is_refused_with_a_sentence(options, reason):
    with pytest.raises(ValueError, match=reason):
        sweep(**options)


def test_an_axis_given_twice_is_refused():
    with pytest.raises(ValueError, match="given twice"):
        Sweep(solver=STILL, axes=(("sigma", "1"), ("sigma", "2")))


def test_a_model_without_d_refuses_lambda():
    with pytest.raises(ValueError, match="no meaning"):
        Sweep(model=SPINS, solver=STEPS, until=1).replaced(lam=0.5)


def test_a_model_without_d_varies_its_own_fields():
    plan = Sweep(model=SPINS, solver=STEPS, until=1).replaced(n="10:12", field="0:1@5")
    assert [task.model.n for task in plan.tasks()] == [10] * 5 + [11] * 5 + [12] * 5


def test_a_solver_whose_need_is_unmet_is_refused():
    with pytest.raises(ValueError, match="needs signed_rows, which model 'test_grid:Spins' lacks; no built-in"):
        Sweep(model=SPINS, solver=STILL)


def test_replaced_leaves_alone_what_is_none():
    plan = sweep(sigma=2)
    assert plan.replaced(sigma=None, realizations=None) == plan


@pytest.mark.parametrize(
    ("given", "then", "result"),
    [
        ({"n": 100, "d": 50}, {"lam": 0.4}, (100, 40)),
        ({"n": 100, "lam": 0.5}, {"d": 40}, (100, 40)),
        ({"lam": 0.5, "d": 40}, {"n": 100}, (100, 50)),
        ({"n": 100, "d": 50}, {"lam": 0.4, "d": 20}, (50, 20)),
    ],
)
def test_of_three_the_one_given_before_makes_way(given, then, result):
    assert sweep(**given).replaced(**then).shapes == (result,)


@pytest.mark.parametrize(
    ("options", "rows"),
    [({}, 1024), ({"n": 2400, "d": 1200}, 32), ({"n": 10, "d": 5}, 4096), ({"n": 40_000, "d": 20_000}, 8)],
)
def test_a_chunk_holds_about_a_hundred_million_numbers(options, rows):
    assert default_chunk_rows(sweep(**options)) == rows


def test_chunks_grow_rather_than_make_too_many_files():
    plan = sweep(n=2400, d=1200, realizations=10**6)
    assert default_chunk_rows(plan) == 128
    assert plan.chunk_count(128) <= 10_000


def test_chunk_rows_follow_the_shapes_of_any_model():
    assert default_chunk_rows(Sweep(model=SPINS, solver=STEPS, until=1).replaced(n="10,1000")) == 64


def test_the_statistics_preset_is_the_experiment_of_the_paper():
    plan = preset("s_statistics")
    ratios = [d / n for n, d in plan.shapes]
    assert (plan.realizations, plan.solver, len(ratios)) == (15000, "limit", 17)
    assert ratios[:3] + ratios[-3:] == [0.3875, 0.4125, 0.4375, 0.49375, 0.495, 0.49625]


def test_the_margin_preset_is_the_experiment_of_the_paper():
    plan = preset("margins")
    assert [d / n for n, d in plan.shapes] == [round(0.5125 + 0.0125 * i, 4) for i in range(12)]
    assert plan.realizations == 1000


def test_the_scan_preset_is_the_default_grid():
    assert preset("lambda_scan").id == Sweep().id


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_opens_with_a_sentence_and_is_a_sweep(name):
    assert preset_text(name).startswith("# ")
    assert preset_summary(name).endswith(".")
    assert preset(name).points > 0


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'margins'"):
        preset("margin")
