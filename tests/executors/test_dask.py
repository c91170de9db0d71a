"""Chunks on a real Dask cluster whose workers raise, die and hang."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import patient
import psutil
import pytest
from command import SCRIPT
from distributed import Client
from places import TESTS
from sweepjax_cli import app

import sweepjax as sj
from sweepjax.executors import Done, Failed, _cluster, dask
from sweepjax.executors.dask import Dask
from sweepjax.executors.local import Local
from sweepjax.run import ENGINE, account, fill, open_store, share
from sweepjax.sweep.sweep import Sweep

# The bad point, d = 4, is none of those whose shapes are compared first: the first two and the last.
SWEEP = ["run", "--n", "8", "--d", "2,3,4,5", "--realizations", "16", "--chunk", "8", "--solver", "poison:Poison"]
SLOW = ["run", "--n", "8", "--d", "3,4", "--realizations", "80", "--chunk", "4", "--solver", "patient:Patient"]
LONG = ["run", "--n", "8", "--d", "3,4", "--realizations", "120", "--chunk", "2", "--solver", "patient:Patient"]


@pytest.fixture(scope="module")
def cluster():
    with _cluster.own_cluster("cpu", 2) as cluster:
        yield cluster


def command(cluster, *options):
    return [*SWEEP, "--executor", "dask", "--scheduler", cluster.scheduler_address, "-o", "a", *options]


def rows(path):
    return sj.read(path).sort_values(["d", "realization"], ignore_index=True)


def same_rows(a, *options):
    """Whether a run holds the rows that this process computes for the same sweep, to the last bit."""
    assert app([*SWEEP, *options, "-o", "local"]) == 0
    pd.testing.assert_frame_equal(rows(a), rows("local"), check_exact=True)
    return True


@pytest.mark.slow
def test_workers_compute_the_rows_of_this_process(cluster, here, capsys):
    assert app(command(cluster, "--set", "bad=0")) == 0
    assert "64 rows in" in capsys.readouterr().err
    assert same_rows("a", "--set", "bad=0")


@pytest.mark.slow
def test_a_chunk_that_fails_three_times_is_told_and_the_rest_go_on(cluster, here, capsys):
    assert app(command(cluster)) == 3
    err = capsys.readouterr().err
    assert err.count("failed 3 times") == 2
    assert "ArithmeticError: poisoned" in err
    assert "48 rows in" in err
    assert "16 rows are missing" in err
    assert set(rows("a")["d"]) == {2, 3, 5}


def test_a_worker_keeps_to_the_programs_it_has_and_leaves_others_theirs():
    sweep = Sweep(solver="poison:Poison").replaced(n=8, d="3,4,5", realizations=16)
    crew = dask._Crew(None, None, share(sweep, 8), 1.0)
    given = [crew._chosen(worker).family.tasks[0].model.d for worker in "abaabb"]
    assert given == [3, 4, 3, 5, 4, 5]
    assert crew._chosen("a") is None


def test_a_store_that_cannot_be_asked_is_no_lost_scheduler(monkeypatch):
    def unasked():
        raise OSError(errno.EIO, "Input/output error")
        yield

    monkeypatch.setattr(Dask, "_client", lambda _: nullcontext(SimpleNamespace(nthreads=lambda: ["a"])))
    with pytest.raises(OSError, match="Input/output error"):
        list(Dask()(same_chunk, unasked(), print))


def test_states_of_rows_under_way_are_for_this_process_to_keep(here, capsys):
    assert app([*SWEEP, "--executor", "dask", "--checkpoint", "30", "-o", "a"]) == 2
    assert (
        "--checkpoint is for rows that this process computes, not for another executor; leave it out"
        in capsys.readouterr().err
    )
    assert not Path("a").exists()


def test_a_family_is_packed_once_and_unpacked_once_for_all_of_its_chunks():
    sent = []
    client = SimpleNamespace(submit=lambda work, *task, **where: sent.append(task) or Sent(str(len(sent))))
    chunks = list(Sweep(solver="poison:Poison").replaced(n=8, d="3,4", sigma="1:2@50", realizations=2).chunks(50))
    crew = dask._Crew(client, same_chunk, iter(()), 1.0)
    for chunk in chunks:
        crew._send(dask._Attempt(chunk, place="a"))
    assert [sent[i][1] is sent[i + 1][1] for i in range(3)] == [True, False, True]
    received = [dask._one_at_a_time(*task) for task in sent]
    assert received == chunks
    assert received[0].family is received[1].family


def same_chunk(chunk, watch):
    return chunk


class Sent(SimpleNamespace):
    def __init__(self, key):
        super().__init__(key=key, add_done_callback=lambda tell: None)


@pytest.mark.parametrize(("alive", "cancelled"), [({"b": ()}, True), ({"a": (), "b": ()}, False), ({}, False)])
def test_a_chunk_that_waits_for_a_worker_that_is_gone_is_sent_again(alive, cancelled):
    told = []
    client = SimpleNamespace(cluster=None, processing=lambda: alive)
    crew = dask._Crew(client, None, iter(()), 1.0)
    crew.out["key"] = (
        SimpleNamespace(cancel=lambda: told.append("cancelled")),
        dask._Attempt(None, place="a", asked=("a",)),
    )
    crew._look_round()
    assert told == cancelled * ["cancelled"]


def test_a_result_that_nobody_computes_again_is_sent_again(monkeypatch):
    def result(timeout):
        raise TimeoutError

    sent, told = [], []
    crew = dask._Crew(None, None, iter(()), 1.0)
    monkeypatch.setattr(crew, "_send", sent.append)
    future = SimpleNamespace(status="pending", result=result, cancel=lambda: told.append("cancelled"))
    assert crew._outcome(future, dask._Attempt("chunk", failed_on=("a",), place="b")) is None
    assert [(attempt.chunk, attempt.failed_on, attempt.place) for attempt in sent] == [("chunk", ("a",), "")]
    assert told == ["cancelled"]


@pytest.mark.slow
def test_workers_of_our_own_keep_the_memory_that_they_free(cluster):
    with Client(cluster, set_as_default=False) as client:
        settings = client.run(os.environ.get, _cluster.TRIM)
    assert list(settings.values()) == [None, None]


def test_workers_of_our_own_share_the_cores_and_have_one_device_each(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8), raising=False)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    environments = _cluster.environments("cpu", 3)
    assert environments == 3 * [{"NPROC": "2", "XLA_FLAGS": f"--xla_cpu_enable_fast_math=false {_cluster.ONE_DEVICE}"}]
    assert len(_cluster.environments("cpu", 0)) == 8


LISTED = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aa)
  MIG 3g.20gb     Device  0: (UUID: MIG-a1)
  MIG 3g.20gb     Device  1: (UUID: MIG-a2)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bb)
"""


@pytest.mark.parametrize(
    ("listed", "visible", "names"),
    [
        (LISTED, "", ["MIG-a1", "MIG-a2", "GPU-bb"]),
        (LISTED, "MIG-a2,GPU-bb", ["MIG-a2", "GPU-bb"]),
        (LISTED.replace("MIG-", "no-"), "", ["0", "1"]),
        (None, "", ["0", "1"]),
    ],
)
def test_each_gpu_and_each_instance_of_one_has_a_worker(listed, visible, names, tmp_path, monkeypatch):
    if listed:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ncat << 'END'\n{listed}END\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(_cluster, "_devices", lambda kind: ("gpu", 2))
    assert [each["CUDA_VISIBLE_DEVICES"] for each in _cluster.environments("gpu", 0)] == names
    with pytest.raises(ValueError, match=f"not allowed with {len(names)} GPUs"):
        _cluster.environments("gpu", 9)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["raise", pytest.param("die", marks=pytest.mark.slow)])
def test_what_happens_to_a_chunk_once_is_made_good(how, cluster, here):
    once = ["--set", f"how={how}", "--set", f"once={here / 'once'}"]
    assert app(command(cluster, *once)) == 0
    assert Path("once").exists()
    assert same_rows("a", *once)


def kept(execute, path, **options):
    """The dimensions of the rows that an executor leaves in a directory, and what it reported."""
    sweep, reports = Sweep(solver="poison:Poison").replaced(n=8, d="2,3,4,5", realizations=8, **options), []
    store = open_store(sweep, path, chunk_rows=8)
    chunks = share(sweep, store.chunk_rows)

    def report(chunk, failed):
        reports.append(account(chunk, failed))

    fill(store, chunks, engine=ENGINE, execute=execute, watch=lambda what, rows: None, report=report)
    return sorted(set(sj.read(path)["d"])), reports


@pytest.mark.slow
def test_a_worker_that_hangs_costs_its_chunk(cluster, here, monkeypatch):
    monkeypatch.setattr(dask, "SLOWER", 2)
    execute = Dask(cluster.scheduler_address, patience=15)
    assert kept(execute, "a", how="hang", once=str(here / "once")) == ([2, 3, 4, 5], [])
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("once").read_text()), 0)


@pytest.mark.slow
def test_a_chunk_that_kills_every_worker_is_given_up(cluster, here):
    dimensions, (report,) = kept(Dask(cluster.scheduler_address), "a", how="die")
    assert dimensions == [2, 3, 5]
    assert f"failed {_cluster.DEATHS} times" in report
    assert "its worker died" in report


def test_this_process_tries_three_times_too():
    tried = []

    def compute(chunk, watch):
        tried.append(chunk.family)
        return Done({}, {}) if chunk.family == "good" or tried.count("late") == 3 else Failed("bad")

    class Compute:
        def __call__(self, chunk, watch):
            return compute(chunk, watch)

        def stream(self, chunks, watch):
            together = list(chunks)
            yield from ((chunk, compute(chunk, watch)) for chunk in together[:1])
            if together:
                raise RuntimeError("one of them is bad")

        def prepare(self, chunk):
            """Nothing to compile."""

    chunks = [SimpleNamespace(family=name) for name in ("good", "bad", "late")]
    settled = list(Local()(Compute(), chunks, lambda what, rows: None))
    settled = [(chunk.family, outcome) for chunk, outcome in settled]
    assert settled == [("good", Done({}, {})), ("bad", Failed("bad")), ("late", Done({}, {}))]
    assert tried == ["good", *3 * ["bad"], *3 * ["late"]]


@pytest.mark.slow
def test_a_failing_chunk_makes_the_exit_code_3_here_too(here, capsys):
    assert app([*SWEEP, "-o", "a"]) == 3
    assert capsys.readouterr().err.count("ArithmeticError: poisoned") == 2
    assert set(rows("a")["d"]) == {2, 3, 5}


def test_python_is_told_of_a_failing_chunk():
    sweep = Sweep(solver="poison:Poison").replaced(n=8, d="3,4", realizations=1)
    with pytest.raises(RuntimeError, match="ArithmeticError: poisoned"):
        sj.run(sweep)


@pytest.mark.slow
def test_a_scheduler_that_is_gone_is_a_fault_of_the_machine(here, free_scheduler):
    scheduler, address = free_scheduler
    process = started(SWEEP, "--scheduler", address)
    wait_for(lambda: "waiting for workers" in process.stderr.readline())
    scheduler.kill()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in err, err
    assert f"the Dask scheduler {address} is gone; finished rows are safe" in err.splitlines()[-1]


def started(command, *options):
    """A run on Dask in a process of its own."""
    line = [*SCRIPT, *command, "--executor", "dask", *options, "-o", "a"]
    return subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=os.environ | TESTS, start_new_session=True)


def workers(process):
    """The processes of the workers of its own that a run has now."""
    with suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if "spawn_main" in "".join(child.cmdline())]
    return []


def stored(path):
    return len(list(Path(path).glob("*.parquet")))


@pytest.mark.slow
def test_twenty_killed_workers_cost_no_row(here, monkeypatch):
    begun, chance = time.monotonic(), random.Random(0)
    process = started(LONG, "--workers", "2")
    for _ in range(20):
        before = stored("a")
        wait_for(lambda before=before: stored("a") >= before + 2 and len(workers(process)) == 2)
        time.sleep(chance.uniform(0, 2))
        chance.choice(workers(process)).kill()
    _, err = process.communicate(timeout=300)
    print(f"20 kills, {stored('a')} of 120 chunks, {time.monotonic() - begun:.0f} s")
    assert process.returncode == 0, err
    monkeypatch.setattr(patient, "PAUSE", 0)
    assert app([*LONG, "-o", "local"]) == 0
    pd.testing.assert_frame_equal(rows("a"), rows("local"), check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_ends_takes_its_workers_along(number, here):
    process = started(SLOW, "--workers", "2")
    wait_for(lambda: stored("a") > 0)
    left = workers(process)
    assert len(left) == 2
    begun = time.monotonic()
    # Ctrl-C goes to every process of a terminal.
    os.killpg(process.pid, number) if number == signal.SIGINT else process.kill()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - begun < 10
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in err
    wait_for(lambda: not any(child.is_running() for child in left), 30)


@pytest.mark.slow
def test_a_run_goes_on_after_its_scheduler_was_killed(here, free_scheduler, monkeypatch):
    scheduler, file = free_scheduler
    options = ["--scheduler-file", file, "--nthreads", "1", "--no-dashboard"]
    worker = subprocess.Popen([sys.executable, "-m", "dask", "worker", *options], env=os.environ | TESTS)
    process = started(SLOW, "--scheduler", file)
    wait_for(lambda: stored("a") > 1 or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    scheduler.kill()
    _, err = process.communicate(timeout=60)
    worker.kill()
    worker.wait()
    assert process.returncode == 1
    assert "is gone" in err.splitlines()[-1]
    assert 1 < stored("a") < 40
    monkeypatch.setattr(patient, "PAUSE", 0)
    assert app([*SLOW, "-o", "a"]) == 0
    assert app([*SLOW, "-o", "local"]) == 0
    pd.testing.assert_frame_equal(rows("a"), rows("local"), check_exact=True)


@pytest.fixture
def free_scheduler(tmp_path):
    """A scheduler in a process of its own, and its address."""
    file = tmp_path / "scheduler.json"
    options = ["--scheduler-file", str(file), "--port", "0", "--no-dashboard", "--host", "127.0.0.1"]
    process = subprocess.Popen([sys.executable, "-m", "dask", "scheduler", *options], stderr=subprocess.DEVNULL)
    wait_for(lambda: file.exists() and file.stat().st_size)
    yield process, str(file)
    process.kill()
    process.wait()


def wait_for(claim, seconds=120):
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_dask_that_is_not_installed_is_named(here, monkeypatch, capsys):
    monkeypatch.setattr(dask, "find_spec", lambda name: None)
    assert app([*SWEEP, "--executor", "dask"]) == 2
    assert "pip install 'sweepjax[dask]'" in capsys.readouterr().err
    assert not list(here.iterdir())
