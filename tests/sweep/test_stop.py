"""What ends a training before its time: how it is written, and what becomes of its row."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweepjax_cli import app

import sweepjax as sj
from sweepjax.engine.engine import Engine
from sweepjax.sweep.stop import Condition, Stop
from sweepjax.sweep.sweep import Sweep

TRAINING = Sweep(solver="sgd", until=200.0, record="30", realizations=6).replaced(n=16, lam="0.5", learning_rate=0.3)
FLOW = Sweep(solver="gradient_flow", until=1e3, record="30", realizations=6).replaced(n=16, lam="0.5")
EXACT = Sweep(model="two_point", solver="exact", until=1e3, record="30", realizations=2).replaced(lam="0.2,0.45")
NAMES = st.from_regex(r"[a-z][a-z_0-9]{0,8}", fullmatch=True).filter(lambda name: name not in ("and", "last"))
CONDITIONS = st.tuples(
    NAMES, st.sampled_from([">=", "<=", ">", "<"]), st.floats(allow_nan=False, allow_infinity=False)
).map(lambda each: Condition(*each))


@pytest.mark.slow
@given(st.lists(CONDITIONS, min_size=1, max_size=4), st.integers(1, 99))
def test_a_stop_is_read_as_it_was_written(conditions, last):
    stop = Stop(tuple(conditions), last)
    again = Stop.parse(str(stop))
    assert sorted(set(again.conditions)) == sorted(set(conditions))
    assert again.last == last


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" ", "stop = ' ' is not allowed; give a text such as"),
        ("test_accuracy", "'test_accuracy' is not understood"),
        ("test_accuracy=0.9", "is not understood"),
        ("test_accuracy>=", "is not understood"),
        ("test_accuracy>=high", "is not understood"),
        ("test_accuracy>=1e999", "1e999 is no finite number"),
        ("test_accuracy>=0.9 or b>1", "'test_accuracy>=0.9 or b>1' is not understood"),
        ("test_accuracy>=0.9 and", "is not understood"),
        ("test_accuracy>=0.9 last 0", "last 0 is not allowed; give a whole number from 1"),
        ("test_accuracy>=0.9 last 1.5", "last 1.5 is not allowed"),
        ("0.9<=test_accuracy", "is not understood"),
        ("nonsense>0", "unknown column 'nonsense'; choose one of"),
        ("step_cosine>0", "'step_cosine' is not one number at each recorded time; take another column"),
        ("gram_extremes>0", "'gram_extremes' is not one number at each recorded time; take another column"),
        ("test_accuracy>=0.9 last 5", "last 5 never comes, as 4 times are recorded; record more"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_sentence(text, words, capsys, tmp_path):
    options = ["--solver", "sgd", "--until", "3", "--observe", "step_cosine,gram_extremes", "-o", str(tmp_path / "out")]
    assert app(["run", *options, "--stop", text]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in said
    assert not (tmp_path / "out").exists()


def test_a_solver_without_times_has_nothing_to_stop(capsys):
    assert app(["run", "--stop", "b>0"]) == 2
    assert "records no times to stop; leave --stop out" in capsys.readouterr().err


def curves(frame):
    return {name: np.stack(frame[name]) for name in frame if isinstance(frame[name].iloc[0], np.ndarray)}


def runs(sweep, text, lanes):
    engine = Engine("cpu", lanes)
    return (sj.run(sweep.replaced(stop=stop), engine=engine) for stop in (None, text))


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("sweep", "text", "column", "value", "last"),
    [
        pytest.param(TRAINING, "train_accuracy>=0.9", "train_accuracy", 0.9, 1, marks=pytest.mark.slow),
        (TRAINING, "train_accuracy>=0.9 last 3", "train_accuracy", 0.9, 3),
        pytest.param(FLOW, "test_accuracy>=0.8 last 2", "test_accuracy", 0.8, 2, marks=pytest.mark.slow),
        pytest.param(EXACT, "s_norm>=0.2 last 4", "s_norm", 0.2, 4, marks=pytest.mark.slow),
    ],
)
def test_a_row_is_the_beginning_of_what_it_would_have_been(sweep, text, column, value, last, lanes):  # noqa: PLR0913, PLR0917
    whole, stopped = runs(sweep, text, lanes)
    beyond = np.stack(whole[column]) >= value
    run = np.cumprod([beyond[:, last - 1 - k : beyond.shape[1] - k] for k in range(last)], axis=0)[-1] > 0
    recorded = np.where(run.any(axis=1), run.argmax(axis=1) + last, beyond.shape[1])
    assert len(set(recorded)) > 1
    assert stopped["stopped"].tolist() == run.any(axis=1).tolist()
    for name, values in curves(stopped).items():
        kept = np.arange(values.shape[1]) < recorded[:, None]
        # Another program may round a last bit in another way; it takes the same steps.
        np.testing.assert_allclose(values[kept], curves(whole)[name][kept], rtol=1e-12, atol=1e-15)
        assert np.isnan(values[~kept].astype(float)).all()


@pytest.mark.slow
def test_what_comes_after_the_end_is_null_and_not_nan(tmp_path):
    sj.run(TRAINING.replaced(stop="train_accuracy>=0.9"), out=tmp_path)
    (file,) = tmp_path.glob("*.parquet")
    table = pq.read_table(file)
    for name in ("time", "step", "train_loss", "b"):
        values = table[name].combine_chunks().values
        assert 0 < values.null_count < len(values)
        assert not np.isnan(values.drop_null().to_numpy()).any()


@pytest.mark.slow
def test_two_conditions_hold_together():
    frame = sj.run(TRAINING.replaced(stop="train_accuracy>=0.9 and step>=60"))
    ends = np.nanmax(np.stack(frame["step"]).astype(float), axis=1)
    assert (ends >= 60).all()
    assert (ends[frame["stopped"]] < 200).any()


@pytest.mark.slow
def test_an_observable_can_end_a_training():
    frame = sj.run(TRAINING.replaced(observe=["weight_norm"], stop="weight_norm>1"))
    assert frame["stopped"].any()


@pytest.mark.slow
def test_no_observable_sees_what_comes_after_the_end():
    seen = TRAINING.replaced(observe=["conformal_time", "step_cosine"])
    whole, stopped = runs(seen, "train_accuracy>=0.9", 1)
    counts = np.isfinite(np.stack(stopped["train_loss"])).sum(axis=1)
    assert counts.min() < 30
    for row, count in enumerate(counts):
        for name, known in (("conformal_time", count), ("step_cosine", count - 1)):  # a cosine needs the next step
            np.testing.assert_allclose(stopped[name][row][:known], whole[name][row][:known], rtol=1e-12)
            assert np.isnan(stopped[name][row][known:]).all()


def test_only_a_stop_that_is_used_is_part_of_an_identity():
    stopping = TRAINING.replaced(stop="train_accuracy>=0.9")
    assert stopping.id != TRAINING.id
    assert stopping.id == TRAINING.replaced(stop="train_accuracy >= 0.90").id
    assert next(stopping.families()).id != next(TRAINING.families()).id
    assert "stop" not in next(TRAINING.families()).description
    assert Sweep.from_toml(stopping.to_toml()) == stopping


@pytest.mark.slow
def test_another_stop_is_another_sweep(tmp_path, capsys):
    command = ["run", "--solver", "sgd", "--n", "12", "--lambda", "0.5", "--realizations", "2", "--until", "3"]
    assert app([*command, "-o", str(tmp_path / "a"), "--stop", "b>9"]) == 0
    assert app([*command, "-o", str(tmp_path / "a")]) == 4
    assert "stop: nothing here, b>9.0 there" in capsys.readouterr().err
