import numpy as np
import pytest
from sweepjax_cli import app

from sweepjax.engine.engine import Engine, unwatched
from sweepjax.engine.lanes import Lanes
from sweepjax.plan import Plan, _average, _first_steps, file_bytes, pilot_families, plan
from sweepjax.store.rows import read
from sweepjax.sweep.sweep import Sweep

POINT = {"n": 20, "lam": 0.5}


@pytest.fixture(scope="module")
def made():
    return plan(Sweep().replaced(**POINT, realizations=100), engine=Engine(), chunk_rows=30)


def test_the_sizes_of_a_plan_are_exact(made):
    assert (made.points, made.families, made.chunks, made.chunk_rows, made.rows) == (1, 1, 4, 30, 100)


def test_a_plan_estimates_something(made: Plan):
    assert made.batch_rows % (made.devices * made.lanes) == 0
    assert made.batch_bytes > 20 * 10 * 4
    assert made.compiling > 0
    assert made.computing > 0


def test_the_size_on_disk_is_that_of_the_run_to_a_factor_of_two(made, tmp_path):
    assert app(["run", "--n", "20", "--lambda", "0.5", "--chunk", "30", "-o", str(tmp_path / "a")]) == 0
    stored = sum(file.stat().st_size for file in (tmp_path / "a").glob("*.parquet"))
    assert 0.5 < made.stored_bytes / stored < 2
    assert file_bytes({name: column.to_numpy() for name, column in read(tmp_path / "a").items()}, 100) > 5000


def test_a_plan_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert app(["run", "--n", "20", "--lambda", "0.5", "--plan", "-o", "a"]) == 0
    assert not list(tmp_path.iterdir())
    out = capsys.readouterr().out
    for word in ("points", "families", "chunks", "rows", "batch", "memory", "time", "estimated", "disk"):
        assert word in out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--part", "2/3"], "this is for all chunks, of which --part 2/3 takes one in 3"),
        (["--adaptive", "margin=0.1", "--max-realizations", "640"], "the pilot that decides how many is still to run"),
    ],
)
def test_a_plan_says_what_it_is_of(options, sentence, made, monkeypatch, capsys):
    monkeypatch.setattr("sweepjax.plan.plan", lambda *_, **__: made)
    assert app(["run", "--n", "20", "--lambda", "0.5", "--plan", *options]) == 0
    assert sentence in capsys.readouterr().err


class Seconds:
    """A clock that moves by what is computed: a second for 100 steps, and 3 to draw."""

    now = 0.0

    def perf_counter(self):
        return self.now


def test_of_a_long_training_the_first_steps_are_timed_and_the_rest_taken_to_be_as_fast(monkeypatch):
    clock = Seconds()

    def compute(self, chunk, watch=None):
        clock.now += 3 + chunk.family.tasks[0].times[-1] / 100
        return {}

    monkeypatch.setattr("sweepjax.plan.time", clock)
    monkeypatch.setattr("sweepjax.plan.Engine.compute", compute)
    (family,) = Sweep(solver="adam", until=1e8).replaced(**POINT).families()
    _, rows, seconds, steps = _first_steps(family, Engine(lanes=1), Lanes(unwatched)) or ({}, 0, 0.0, 0)
    assert (rows, steps) == (len(Engine().devices), 256)
    assert seconds == pytest.approx(3 + 1e6)
    assert _first_steps(next(Sweep(solver="adam", until=100).replaced(**POINT).families()), Engine(), None) is None


def test_drawing_that_takes_long_and_never_the_same_is_not_taken_for_steps(monkeypatch):
    """Drawing takes 30 seconds or 33, and 100 steps a second."""
    clock, noise = Seconds(), iter([30, 33, 30, 33, 30, 33, 30])

    def compute(self, chunk, watch=None):
        clock.now += next(noise) + chunk.family.tasks[0].times[-1] / 100
        return {}

    monkeypatch.setattr("sweepjax.plan.time", clock)
    monkeypatch.setattr("sweepjax.plan.Engine.compute", compute)
    (family,) = Sweep(solver="adam", until=1e8).replaced(**POINT).families()
    _, _, seconds, _ = _first_steps(family, Engine(lanes=1), Lanes(unwatched)) or ({}, 0, 0.0, 0)
    assert seconds == pytest.approx(1e6, rel=0.25)


def test_a_single_row_takes_as_long_as_one_on_each_device(monkeypatch):
    clock = Seconds()

    def compute(self, chunk, watch=None):
        clock.now += 4
        return {"s_norm": np.zeros(chunk.rows)}

    monkeypatch.setattr("sweepjax.plan.time", clock)
    monkeypatch.setattr("sweepjax.plan.Engine.compute", compute)
    monkeypatch.setattr("sweepjax.plan.Engine.devices", Engine().devices[:1] * 2)
    one, three = (plan(Sweep().replaced(**POINT, realizations=rows), engine=Engine(lanes=1)) for rows in (1, 3))
    assert (one.devices, one.computing, three.computing) == (2, 4, 6)


@pytest.mark.parametrize(
    "axes", [{"lam": "0.4:0.6"}, {"n": "10:13", "d": "2:5", "loss": "logistic,exponential"}, POINT]
)
def test_the_pilots_are_the_first_the_middle_and_the_last_family(axes):
    sweep = Sweep().replaced(**axes)
    families = list(sweep.families())
    last = len(families) - 1
    assert list(pilot_families(sweep)) == [families[i] for i in sorted({0, last // 2, last})]


@pytest.mark.slow
def test_the_pilots_of_a_huge_sweep_are_found_without_making_the_others():
    sweep = Sweep().replaced(n="1:1000", d="1:300")
    assert [family.tasks[0].model.n for family in pilot_families(sweep)] == [1, 500, 1000]


def test_what_is_linear_between_the_pilots_is_averaged_exactly():
    assert _average([3.0]) == 3.0
    assert _average([1.0, 3.0]) == 2.0
    assert _average([0.0, 2.0, 0.0]) == 1.0
