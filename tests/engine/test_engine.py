"""One row is one pure function of its task and index, however it is computed."""

import gc
import math
import os
import subprocess
import sys
import weakref
from types import SimpleNamespace

import everyday
import jax
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sweepjax_cli import app

import sweepjax as sj
from sweepjax.columns import labels
from sweepjax.engine import programs, sizes
from sweepjax.engine.engine import Engine
from sweepjax.engine.redraw import dataset
from sweepjax.executors.local import AHEAD, _prepared
from sweepjax.run import Attempt
from sweepjax.store.store import Store
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk

SWEEP = Sweep().replaced(n=20, d=10, sigma="0.5,1,2", seed="3,7", realizations=10)
LOGISTIC = {"model": "logistic", "n": 4, "d": 2, "sigma": 3.0, "seed": 1, "realization": 2}
PROBE = SWEEP.replaced(solver="probe:Bits")


def rows(sweep, engine, start=0, stop=60):
    (family,) = sweep.families()
    columns = engine.compute(Chunk(family, start, stop))
    return pd.DataFrame({name: plain(column) for name, (column, *_) in columns.items()})


def plain(column):
    return column.astype(float).filled(np.nan) if np.ma.isMaskedArray(column) else column


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"n": 400, "d": 192}, 32),
        ({"n": 800, "d": 400}, 9),
        ({"n": 2400, "d": 1110}, 8),
        ({"n": 40_000, "d": 16_000}, 1),
        ({"n": 2400, "d": 1110, "solver": "gradient_descent", "until": 2000}, 1),
    ],
)
def test_a_batch_is_long_enough_to_pay_and_short_enough_to_interrupt(options, size):
    (family,) = Sweep().replaced(**options).families()
    assert Engine(device="cpu").shape(family).rows == size


@pytest.mark.slow
def test_datasets_are_the_same_bits_for_every_width():
    # The quick compiler rounds differently in a vector and in its rest.
    everyday.run("import test_engine; test_engine.check_widths()")


def check_widths():
    for lanes in (1, 3, 8):
        pd.testing.assert_frame_equal(rows(PROBE, Engine(lanes=lanes)), rows(PROBE, Engine()))


@pytest.mark.parametrize("bounds", [(0, 7), (7, 60), (59, 60)])
def test_datasets_are_the_same_bits_for_every_chunk(bounds):
    part = rows(PROBE, Engine(), *bounds)
    pd.testing.assert_frame_equal(part, rows(PROBE, Engine()).iloc[slice(*bounds)].reset_index(drop=True))


def test_a_dataset_drawn_again_has_the_same_bits():
    for _, row in rows(PROBE, Engine()).iloc[::7].iterrows():
        bits = np.asarray(dataset(row).x).view(np.uint32).ravel()
        place = np.arange(1, bits.size + 1, dtype=np.uint32)
        assert (int(bits.sum(dtype=np.uint32)), int((bits * place).sum(dtype=np.uint32))) == (
            row["bits"],
            row["placed"],
        )


@pytest.mark.slow
def test_rows_agree_over_widths_to_the_promised_accuracy():
    one, wide = rows(SWEEP, Engine()), rows(SWEEP, Engine(lanes=5))
    pd.testing.assert_frame_equal(one[["separable", "certified"]], wide[["separable", "certified"]])
    for name in ("s_norm", "loss_inf", "margin", "positive_mean"):
        np.testing.assert_allclose(one[name], wide[name], rtol=1e-5, err_msg=name)


def test_the_same_width_gives_the_same_bits_twice():
    pd.testing.assert_frame_equal(rows(SWEEP, Engine()), rows(SWEEP, Engine()))


def test_a_scan_over_floats_and_seeds_is_one_program(monkeypatch):
    monkeypatch.setattr(programs, "_programs", {})
    engine, compiled = Engine(), []
    for sweep in (PROBE, PROBE.replaced(sigma="4,5,6", seed="1,2")):
        (family,) = sweep.families()
        engine.compute(Chunk(family, 0, 4), lambda what, rows: compiled.append(what))
    assert compiled.count("compiling") == 1


def test_a_device_keeps_the_programs_that_were_used_last(monkeypatch):
    monkeypatch.setattr(programs, "_programs", {})
    monkeypatch.setattr(programs, "MOST", 2)
    engine, families = Engine(), [*PROBE.replaced(n="20,22,24", lam="0.5").families()]
    first, second = map(engine.program, families[:2])
    assert engine.program(families[0]).advance is first.advance
    engine.program(families[2])
    assert engine.program(families[0]).advance is first.advance
    gone = weakref.ref(second.advance._executable)
    assert engine.program(families[1]).advance is not second.advance
    del second
    gc.collect()
    assert gone() is None


@pytest.mark.slow
def test_more_families_than_programs_are_kept_give_the_same_rows(monkeypatch):
    sweep = PROBE.replaced(n="20,22,24", lam="0.5", realizations=4)
    monkeypatch.setattr(programs, "_programs", {})
    usual = sj.run(sweep)
    monkeypatch.setattr(programs, "_programs", {})
    monkeypatch.setattr(programs, "MOST", 1)
    pd.testing.assert_frame_equal(sj.run(sweep), usual)
    assert len(programs._programs) == 1


def test_a_program_that_is_prepared_is_not_waited_for():
    engine, told = Engine(), []
    (family,) = PROBE.families()
    engine.prepare(family)
    program = engine.program(family)
    assert engine.program(family, lambda what, rows: told.append(what)).advance is program.advance
    assert not told


@pytest.mark.slow
def test_a_program_that_is_compiled_for_some_times_records_others(tmp_path):
    early, late = (
        sj.run(model="two_point", solver="exact", lam="0.4", until=t, record=5, realizations=1) for t in (1, 9)
    )
    assert early["time"][0][-1] == 1
    assert late["time"][0][-1] == 9
    assert late["b"][0][-1] < early["b"][0][-1] - 0.5


def test_a_cpu_has_a_pool_for_each_device_and_one_program():
    class Elsewhere(Engine):
        devices = tuple(SimpleNamespace(platform="gpu", id=k) for k in range(2))

    first, second = Elsewhere.devices
    assert Engine().hands == Engine().devices[:1] * 2
    assert Elsewhere().hands == (first, second)


@pytest.mark.slow
def test_a_program_that_failed_to_compile_is_tried_again(tmp_path):
    sweep = SWEEP.replaced(solver="poison:Poison", bad="10", once=str(tmp_path / "failed"))
    engine, (family,) = Engine(), sweep.families()
    with pytest.raises(ArithmeticError, match="poison"):
        engine.program(family)
    assert engine.program(family)


def test_programs_of_some_more_families_are_begun_before_the_first_chunk_is_computed():
    told = []

    class Told(Engine):
        def prepare(self, family):
            told.append(f"prepare {family.tasks[0].model.n}")

    for chunk in _prepared(Attempt(Told()), PROBE.replaced(n="20:42:2", lam="0.5", realizations=4).chunks(8)):
        model = chunk.family.tasks[0].model
        told.append(f"compute {model.n}")
    ahead = [f"prepare {n}" for n in range(20, 22 + 2 * AHEAD, 2)]
    assert told[: len(ahead) + 1] == [*ahead, "compute 20"]
    assert told.index("prepare 38") < told.index("compute 22")
    assert [line for line in told if line.startswith("compute")] == [
        f"compute {n}" for n in range(20, 43, 2) for _ in "abc"
    ]


def test_row_i_is_realization_i_div_tasks_of_task_i_mod_tasks():
    (family,) = SWEEP.families()
    told = labels(Chunk(family, 4, 9))
    assert told["realization"].tolist() == [0, 0, 1, 1, 1]
    assert told["sigma"].tolist() == [2.0, 2.0, 0.5, 0.5, 1.0]
    assert told["seed"].tolist() == [3, 7, 3, 7, 3]


@pytest.mark.slow
def test_too_large_a_pool_is_halved_until_it_fits(monkeypatch):
    asked, counted, family = [], [], next(PROBE.families())

    class Small(Engine):
        def _streamed(self, gathering, chunks, *others):
            asked.append(self.shape(family).lanes)
            if asked[-1] > 4:
                gathering.begin(next(chunks))
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
            return super()._streamed(gathering, chunks, *others)

    monkeypatch.setattr(sizes, "_narrower", {})
    columns = Small(lanes=16).compute(
        Chunk(family, 0, 6), lambda what, rows: counted.append(rows if what == "rows" else 0)
    )
    assert asked == [16, 8, 4]
    assert Engine(lanes=16).shape(family).lanes == 4  # from now on
    assert sum(counted) == 6
    assert columns["bits"].values.tolist() == Engine().compute(Chunk(family, 0, 6))["bits"].values.tolist()


def test_a_device_that_died_ends_the_run_at_the_first_attempt(monkeypatch, tmp_path, capsys):
    attempts = []

    def streamed(*arguments):
        attempts.append(arguments)
        raise jax.errors.JaxRuntimeError("INTERNAL: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access\nat 0x7f")

    monkeypatch.setattr(Engine, "_streamed", streamed)
    assert app(["run", "--n", "12", "--lambda", "0.5,0.75", "--realizations", "2", "-o", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert len(attempts) == 1
    assert (
        "a device died (INTERNAL: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access); finished rows are safe" in said
    )
    assert "Traceback" not in said


@pytest.mark.slow
def test_rows_say_how_full_the_lanes_were(tmp_path):
    sweep = Sweep(solver="sgd", until=3.0, realizations=9).replaced(n=12, lam="0.5")
    sj.run(sweep, engine=Engine(lanes=4), out=tmp_path)
    summary = Store.open(tmp_path).summary()
    assert [*summary.lanes] == ["4"]
    assert 0.5 < summary.lane_efficiency < 1  # the last of nine rows has no company


@pytest.mark.slow
def test_of_rows_that_wait_for_nothing_no_file_says_how_full_their_lanes_were(tmp_path):
    sj.run(PROBE, engine=Engine(lanes=2), out=tmp_path)
    assert math.isnan(Store.open(tmp_path).summary().lane_efficiency)
    sj.run(PROBE.replaced(seed="4"), engine=Engine(lanes=1), out=tmp_path / "alone")
    assert Store.open(tmp_path / "alone").summary().lane_efficiency == 1


def test_a_device_that_is_not_there_is_an_error():
    with pytest.raises(RuntimeError, match="no tpu device"):
        Engine(device="tpu").devices  # noqa: B018  the property looks for them


@pytest.mark.slow
def test_importing_changes_no_global_setting():
    code = (
        "import jax; before = dict(jax.config.values); import sweepjax.run, sweepjax.solvers.limit; "
        "assert dict(jax.config.values) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_four_devices_give_the_rows_of_two(tmp_path):
    out = tmp_path / "four"
    code = f"import sweepjax as sj; sj.run('0.5', n=20, realizations=9, out={str(out)!r})"
    flags = {"XLA_FLAGS": os.environ["XLA_FLAGS"].replace("device_count=2", "device_count=4")}
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **flags})
    two, four = sj.run("0.5", n=20, realizations=9), sj.read(out)
    assert pq.read_metadata(next(out.glob("*.parquet"))).metadata[b"sweepjax.devices"] == b"4"
    pd.testing.assert_frame_equal(two, four, rtol=1e-5)


def test_python_runs_a_sweep_and_reads_it_again(tmp_path):
    frame = sj.run("0.5", n=20, realizations=5, out=tmp_path / "run")
    pd.testing.assert_frame_equal(frame, sj.read(tmp_path / "run"))
    assert sj.dataset(frame.iloc[2]).x.shape == (20, 10)


@pytest.mark.parametrize("names", [["sigma"], ["n"], ["n", "d"], ["seed", "realization"], ["model"]])
def test_a_row_that_lacks_what_its_dataset_depends_on_is_refused(names):
    with pytest.raises(ValueError, match=f"depends on {', '.join(names)}, which this row lacks"):
        sj.dataset({name: value for name, value in LOGISTIC.items() if name not in names})


def test_a_row_may_lack_what_its_dataset_does_not_depend_on():
    whole = LOGISTIC | {"loss": "exponential", "init_norm": 0.3, "init_bias": 1.0}
    assert sj.dataset(LOGISTIC).x.tolist() == sj.dataset(whole).x.tolist()
