"""As many realizations of each point as it needs."""

from dataclasses import replace

import numpy as np
import pytest
from stored_runs import CHUNK_ROWS, MACHINE
from sweepjax_cli import app
from sweepjax_cli.run import asked, parsed
from tampering import flipped

import sweepjax as sj
from sweepjax.adaptive import SAFETY, Unreachable, counts, pilot
from sweepjax.columns import labels
from sweepjax.reducers.mean import Mean
from sweepjax.store.rounds import PILOT, ROUNDS, keep_counts
from sweepjax.store.rows import scan
from sweepjax.store.store import Store
from sweepjax.sweep.adaptive import Adaptive, Rule, sweep_of
from sweepjax.sweep.sweep import Sweep

OWN = ["--model", "own:Own", "--solver", "sgd", "--until", "1", "--record", "2", "--set", "scale=1,2"]
PLAIN = Sweep().replaced(n=40, lam="0.4,0.6", sigma="1,2", seed="3", realizations=40)
SWEEP = Adaptive.of(PLAIN, Rule("margin", 0.01))
SHORT = Adaptive.of(PLAIN.replaced(sigma="1", realizations=2), Rule("margin", 0.01))


def does(*arguments):
    return app([*map(str, arguments)])


def stored(path, sweep, law, seed=0):
    """Rows of a sweep as `run` leaves them; `law(columns, rng)` draws the margins."""
    rng, store = np.random.default_rng(seed), Store(path, sweep, CHUNK_ROWS, MACHINE).create()
    for chunk in sweep.chunks(CHUNK_ROWS):
        columns = labels(chunk)
        margin = law(columns, rng)
        store.write(chunk, columns | {"separable": margin > 0, "certified": margin > -9, "margin": margin})
    return store.dataset()


def wide(columns, rng):
    """A law whose deviation is 0.1 σ."""
    return 1 + 0.1 * columns["sigma"] * rng.standard_normal(len(columns["sigma"]))


def test_every_point_is_a_family_of_its_own():
    assert [len(family.tasks) for family in SWEEP.families()] == [1] * SWEEP.points
    assert len({family.id for family in SWEEP.families()}) == SWEEP.points
    assert SWEEP.family(3) == list(SWEEP.families())[3]


def test_a_rule_is_part_of_what_a_sweep_is_and_its_counts_are_not():
    other = Adaptive.of(PLAIN, Rule("margin", 0.02))
    assert len({PLAIN.id, SWEEP.id, other.id}) == 3
    assert Adaptive.of(PLAIN.replaced(realizations=50), SWEEP.rule).id == SWEEP.id


def test_a_rule_is_read_back_from_what_is_written():
    assert sweep_of(SWEEP.to_toml()) == SWEEP
    assert sweep_of(PLAIN.to_toml()) == PLAIN


def test_the_pilot_draws_with_seeds_of_its_own():
    assert not {*pilot(SWEEP).values["seed"]} & {*SWEEP.values["seed"]}
    assert type(pilot(SWEEP)) is Sweep


def test_a_point_has_the_realizations_that_its_variance_asks_for(tmp_path):
    found = counts(SWEEP, 10**6, stored(tmp_path, pilot(SWEEP), wide))
    for family in SWEEP.families():
        needed = SAFETY * (0.1 * family.tasks[0].model.sigma / 0.01) ** 2
        assert found[family.id] == pytest.approx(max(needed, 40), rel=1.0)


@pytest.mark.slow
def test_means_are_unbiased_and_known_as_well_as_was_asked_for(tmp_path):
    """Of skewed draws, in which quiet ones are low. The mean of 200 z-scores is below 0.3, 4 of its standard errors."""
    one = Adaptive.of(PLAIN.replaced(lam="0.4", sigma="1"), Rule("margin", 0.05))
    z = []
    for seed in range(200):
        first = stored(
            tmp_path / f"pilot{seed}", pilot(one), lambda columns, rng: rng.exponential(size=len(columns["d"])), seed
        )
        count = counts(one, 10**6, first).popitem()[1]
        z.append((np.random.default_rng(1000 + seed).exponential(size=count).mean() - 1) * np.sqrt(count))
    assert abs(np.mean(z)) < 4 / np.sqrt(len(z))


@pytest.mark.slow
def test_rows_of_points_that_have_unlike_many_are_one_table_and_sound(tmp_path, capsys):
    out = tmp_path / "run"
    assert does(
        "run", *OWN, "--realizations", 8, "--adaptive", "train_loss=2", "--max-realizations", 6000, "-o", out
    ) in (0, 3)
    frame = sj.read(out)
    sizes = frame.groupby("scale").size()
    assert sizes[2.0] > sizes[1.0]
    assert len(frame) == sum(Store.open(out).sweep.counts.values())
    assert (out / ROUNDS).is_file()
    capsys.readouterr()
    assert does("verify", out) == 0
    assert "missing" not in capsys.readouterr().out
    assert does("status", out) == 0
    said = capsys.readouterr().out
    assert "do not enter the means" in said
    assert f"{sizes.min()} to {sizes.max()} realizations" in said


@pytest.mark.slow
def test_the_same_command_again_computes_nothing_and_a_file_repeats_the_rule(tmp_path):
    out, command = (
        tmp_path / "run",
        ["run", *OWN, "--realizations", 8, "--adaptive", "train_loss=3", "--max-realizations", 60],
    )
    assert does(*command, "-o", out) in (0, 3)
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*.parquet")}
    assert does(*command, "-o", out) in (0, 3)
    assert does("run", out / "_sweep.toml", "-o", out) == 0
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*.parquet")} == before
    assert does("merge", out, "-o", tmp_path / "copy") == 0
    assert Store.open(tmp_path / "copy").sweep.counts == Store.open(out).sweep.counts


def counted(path, *counts):
    """A run of a few rows, as many at each point as `counts` says."""
    ids = [family.id for family in SHORT.families()]
    store = Store(path, replace(SHORT, counts=dict(zip(ids, counts, strict=True))), 4, MACHINE).create()
    for chunk in store.sweep.chunks(4):
        columns = labels(chunk)
        store.write(chunk, columns | {"margin": 1.0 * columns["realization"]})
    return store


def test_runs_of_unlike_many_draws_are_merged_to_the_most_of_each_point(tmp_path):
    counted(tmp_path / "a", 6, 2), counted(tmp_path / "b", 4, 5)
    for number, pair in enumerate([("a", "b"), ("b", "a")]):
        for options in ([], ["--column", "margin"]):
            out = tmp_path / f"{number}{len(options)}"
            assert does("merge", *(tmp_path / name for name in pair), "-o", out, *options) == 0
            assert [*Store.open(out).sweep.counts.values()] == [6, 5]
            assert Store.open(out).summary()[:2] == (11, 11)


def test_a_merge_that_is_killed_after_its_record_has_told_the_draws_of_each_point(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(store, *rest):
        raise Killed

    counted(tmp_path / "a", 6, 2)
    monkeypatch.setattr("sweepjax.store.merge._keep", killed)
    with pytest.raises(Killed):
        does("merge", tmp_path / "a", "-o", tmp_path / "b")
    monkeypatch.undo()
    assert Store.open(tmp_path / "b").sweep.rows_total == 8
    (tmp_path / "b" / ROUNDS).unlink()  # as the version before has left it
    assert does("merge", tmp_path / "a", "-o", tmp_path / "b") == 0
    assert Store.open(tmp_path / "b").summary()[:2] == (8, 8)


def test_the_counts_are_told_before_the_record(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(path, counts):
        raise Killed

    store = counted(tmp_path / "a", 6, 2)
    monkeypatch.setattr("sweepjax.store.store.keep_counts", killed)
    with pytest.raises(Killed):
        replace(store, path=tmp_path / "b").create()
    assert not (tmp_path / "b" / "_sweep.toml").exists()


def test_fewer_draws_at_most_forget_no_rows_that_are_there(tmp_path):
    store = counted(tmp_path / "a", 6, 2)
    keep_counts(store.path, dict.fromkeys(store.sweep.counts, 3))
    assert [*Store.open(store.path).sweep.counts.values()] == [6, 3]


@pytest.mark.parametrize("text", ["", "realizations = 3", "[realizations]\na = 'x'", "[realizations]\na = [1]"])
def test_counts_that_are_none_are_damage(tmp_path, capsys, text):
    (counted(tmp_path / "a", 6, 2).path / ROUNDS).write_text(text)
    assert does("status", tmp_path / "a") == 5
    assert f"{ROUNDS} is damaged" in capsys.readouterr().err


def test_a_record_repeats_the_draws_of_each_point_elsewhere(tmp_path):
    store = counted(tmp_path / "a", 6, 2)
    file = str(store.path / "_sweep.toml")
    options = parsed([file], "sweepjax run")
    assert asked(options)[0].counts == store.sweep.counts
    for other in (["--sigma", "3"], ["--realizations", "5"], ["--max-realizations", "9"]):
        assert not asked(parsed([file, *other], "sweepjax run"))[0].counts


def test_the_pilot_is_no_part_of_the_means(tmp_path):
    out = tmp_path / "run"
    assert does(
        "run", *OWN, "--realizations", 8, "--adaptive", "train_loss=3", "--max-realizations", 60, "-o", out
    ) in (0, 3)
    assert set(sj.read(out)["seed"]) == {0}
    assert (Mean(column="train_loss")(scan([out]))["rows"] >= 8).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--adaptive", "separable=0.1"], "need each other"),
        (["--adaptive", "separable", "--max-realizations", "200"], "COLUMN=SE"),
        (["--adaptive", "separable=-1", "--max-realizations", "200"], "above 0"),
        (["--adaptive", "nonsense=1", "--max-realizations", "200"], "unknown column"),
        (["--adaptive", "separable=0.1", "--max-realizations", "20"], "first round"),
        (["--adaptive", "separable=0.1", "--max-realizations", "200", "--part", "1/2"], "leave --part out"),
        (["--adaptive", "separable=0.1", "--max-realizations", "200", "--target-se", "margin=1"], "give one of them"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_made(options, said, tmp_path, capsys):
    assert does("run", "--n", 10, "--lambda", "0.5", *options, "-o", tmp_path / "run") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_law_without_a_variance_is_refused(tmp_path):
    rows = stored(
        tmp_path, pilot(SWEEP.replaced(realizations=400)), lambda columns, rng: rng.pareto(1, len(columns["d"]))
    )
    with pytest.raises(Unreachable, match="falls off too slowly"):
        counts(SWEEP, 10**6, rows)


def test_another_rule_is_said_to_be_the_difference(tmp_path, capsys):
    stored(tmp_path / "run", SWEEP, wide)
    options = ["--n", "40", "--lambda", "0.4,0.6", "--sigma", "1,2", "--seed", "3", "--realizations", "40"]
    assert does("run", *options, "--adaptive", "margin=0.02", "--max-realizations", "99", "-o", tmp_path / "run") == 4
    assert "adaptive: margin=0.02 here, margin=0.01 there" in capsys.readouterr().err
    assert does("run", *options, "-o", tmp_path / "run") == 4
    assert "margin=0.01 there" in capsys.readouterr().err


def test_verify_looks_at_the_pilot_too(tmp_path, capsys):
    stored(tmp_path / "run", SWEEP, wide)
    stored(tmp_path / "run" / PILOT, pilot(SWEEP), wide)
    assert does("verify", tmp_path / "run") == 0
    broken = next((tmp_path / "run" / PILOT).glob("*.parquet"))
    broken.write_bytes(flipped(broken.read_bytes(), 100))
    capsys.readouterr()
    assert does("verify", tmp_path / "run") == 5
    assert f"{PILOT}/{broken.name}  " in capsys.readouterr().out
    assert does("verify", tmp_path / "run", "--repair") == 0
    assert "faulty files: 0; removed: 1" in capsys.readouterr().out
    assert not broken.exists()
