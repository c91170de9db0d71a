"""Real faults of real runs: no finished row is lost or doubled, and the next run ends as an undisturbed one."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from command import SCRIPT
from mortal import STEPS
from places import TESTS
from sweepjax_cli import app
from test_dask import workers
from test_object_storage import BUCKET, client  # noqa: F401  a fixture

import sweepjax as sj

HERE = Path(__file__).parent
MORTAL = [sys.executable, str(HERE / "mortal.py")]
PROBE = ["run", "--n", "20", "--lambda", "0.4,0.5", "--solver", "probe:Bits", "--chunk", "8", "--realizations", "20"]
LIMIT = ["run", "--n", "200", "--lambda", "0.44", "--chunk", "200", "--realizations", "24000"]
LONG = ["run", "--model", "quadratic_modular", "--solver", "adamw", "--set", "p=23", "--set", "width=128"]
LONG += ["--batch", "4", "--until", "6000", "--record", "4", "--realizations", "8"]
ORDER = ["lam", "realization"]


def rows(path):
    return sj.read(path).sort_values(ORDER, ignore_index=True)


def stored(path):
    return len(list(Path(path).glob("*.parquet")))


def states(path):
    """What is kept of chunks under way, and since when."""
    return {file.name: file.stat().st_mtime_ns for file in Path(path).glob("_state-*.npz")}


def undisturbed(command, path):
    assert app([*command, "-o", str(path)]) == 0
    return rows(path)


def sound(path):
    """Whether every file is whole, every row where the plan has it, and none there twice."""
    frame = rows(path) if stored(path) else pd.DataFrame(columns=ORDER)
    return app(["verify", str(path)]) == 0 and not frame.duplicated(ORDER).any()


def kept(path, before):
    """How many of the rows are lost or changed since they were finished."""
    now = rows(path).set_index(ORDER)
    then = before.set_index(ORDER)
    same = now.reindex(then.index)
    return int((~((same == then) | (same.isna() & then.isna())).all(axis=1)).sum())


def started(command, path, **options):
    environment = os.environ | TESTS
    line = [*command, "-o", str(path)]
    return subprocess.Popen(
        line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, **options
    )


def told(what, *, hits, finished, lost):
    """A line of the account; `pytest -n 0 -s` shows it."""
    print(f"\n| {what} | {hits} | {finished} | {lost} |")


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    return undisturbed(PROBE, tmp_path_factory.mktemp("straight") / "run")


SLOW_STEPS = [pytest.param(step, marks=[] if step == "during write" else pytest.mark.slow) for step in STEPS]


@pytest.mark.slow
@pytest.mark.parametrize("step", SLOW_STEPS)
def test_a_kill_at_any_step_of_a_write_costs_at_most_that_chunk(step, straight, tmp_path):
    path, late = tmp_path / "run", STEPS.index(step) > STEPS.index("before replace")
    process = started([*MORTAL, step, "2", *PROBE], path)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    before = rows(path)
    assert stored(path) == (2 if late else 1)  # which two of the six chunks come first is a matter of time
    assert sound(path)
    pd.testing.assert_frame_equal(undisturbed(PROBE, path), straight)
    assert sound(path)
    told(f"SIGKILL {step}", hits=1, finished=len(before), lost=kept(path, before))


@pytest.mark.slow
def test_twenty_kills_at_random_cost_no_finished_row(tmp_path):
    path, chance, finished, lost, hits = tmp_path / "run", random.Random(0), 0, 0, 0
    before, begun = None, time.monotonic()
    while hits < 20:
        count, process = stored(path), started([*SCRIPT, *LIMIT], path)
        while stored(path) == count and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 1))
        process.kill()
        process.communicate()
        hits += process.returncode == -signal.SIGKILL
        assert sound(path)
        lost += 0 if before is None else kept(path, before)
        before = rows(path)
        finished = len(before)
        assert finished < 24000
    frame = undisturbed(LIMIT, path)
    lost += kept(path, before)
    told("SIGKILL at random while rows are computed", hits=hits, finished=finished, lost=lost)
    print(f"{time.monotonic() - begun:.0f} s in all")
    assert sound(path)
    assert lost == 0
    pd.testing.assert_frame_equal(frame, undisturbed(LIMIT, tmp_path / "straight"))


@pytest.mark.slow
def test_twenty_kills_of_one_long_training_cost_seconds_and_change_nothing(tmp_path):
    chance, hits, straight = random.Random(1), 0, tmp_path / "straight"
    assert app([*LONG, "-o", str(straight)]) == 0
    paths = [tmp_path / "run 0"]
    while hits < 20:
        path = paths[-1]
        process = started([*SCRIPT, *LONG, "--checkpoint", "0.5"], path)
        seen = states(path)
        while states(path) == seen and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 1))
        process.kill()
        process.communicate()
        assert process.returncode in (0, -signal.SIGKILL)
        hits += not stored(path)
        # On a fast machine a training ends before it was killed often enough: another one goes on.
        if stored(path):
            paths.append(tmp_path / f"run {len(paths)}")
    for path in paths:
        assert app([*LONG, "-o", str(path)]) == 0
        assert not states(path)
        pd.testing.assert_frame_equal(sj.read(path), sj.read(straight))
    told("SIGKILL at random in one chunk of trainings", hits=hits, finished=0, lost=0)


@pytest.mark.slow
def test_two_processes_in_one_directory_make_one_run(straight, tmp_path):
    path = tmp_path / "run"
    both = [started([*SCRIPT, *PROBE], path) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert sound(path)
    pd.testing.assert_frame_equal(rows(path), straight)
    told("two processes in one directory", hits=2, finished=len(straight), lost=kept(path, straight))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own in memory, of 256 KiB; only the superuser may mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def grown(run, path, disturb):
    """A run of many small chunks that is disturbed when it has stored some; its exit code and last words."""
    process = started([*SCRIPT, *run], path)
    while not stored(path) and process.poll() is None:
        time.sleep(0.01)
    disturb()
    _, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return process.returncode, err.splitlines()[-1]


@pytest.mark.slow
def test_a_disk_that_fills_up_and_is_freed_again(small_disk, tmp_path):
    path, many = small_disk / "run", [*PROBE, "--realizations", "500"]
    code, words = grown(many, path, lambda: None)
    assert code == 1
    assert "No space left" in words
    assert "finished rows are safe" in words
    before = rows(path)
    assert sound(path)
    assert not list(path.glob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    frame = undisturbed(many, path)
    told("disk full", hits=1, finished=len(before), lost=kept(path, before))
    pd.testing.assert_frame_equal(frame, undisturbed(many, tmp_path / "straight"))


@pytest.mark.slow
def test_a_disk_that_becomes_read_only(small_disk, tmp_path):
    path, many = small_disk / "run", [*PROBE, "--realizations", "1000"]

    def protect():
        subprocess.run(["mount", "-o", "remount,size=64m,ro", str(small_disk)], check=True)

    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    code, words = grown(many, path, protect)
    assert code == 1
    assert "Read-only file system" in words
    before = rows(path)
    assert sound(path)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    frame = undisturbed(many, path)
    told("disk read-only while rows are computed", hits=1, finished=len(before), lost=kept(path, before))
    pd.testing.assert_frame_equal(frame, undisturbed(many, tmp_path / "straight"))


def test_a_clock_that_runs_backwards_changes_nothing(straight, tmp_path, monkeypatch):
    clock = iter(range(10**9, 0, -(10**6)))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    monkeypatch.setattr(time, "time_ns", lambda: next(clock) * 10**9)
    path = tmp_path / "run"
    assert app([*PROBE, "--part", "1/2", "-o", str(path)]) == 0
    for file in path.iterdir():
        os.utime(file, (2**32, 2**32))  # in the year 2106
    pd.testing.assert_frame_equal(undisturbed(PROBE, path), straight)
    assert sound(path)


WAYS = ["run", "--n", "20", "--lambda", "0.4,0.5", "--chunk", "8", "--realizations", "400"]


def by_dask(path):
    """On two workers of one core each, one of which is killed in the middle."""
    process = started([*SCRIPT, *WAYS, "--executor", "dask", "--workers", "2"], path)
    while not stored(path) and process.poll() is None:
        time.sleep(0.01)
    workers(process)[0].kill()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


def in_three_parts(path):
    for part in ("3/3", "1/3", "2/3"):
        assert app([*WAYS, "--part", part, "-o", str(path)]) == 0


def on_many_devices(path, count):
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={count}"}
    subprocess.run([*SCRIPT, *WAYS, "-o", str(path)], check=True, env=os.environ | flags, capture_output=True)


def from_two_halves(path):
    halves = [f"{path}-{k}" for k in (1, 2)]
    for k, half in enumerate(halves, 1):
        assert app([*WAYS, "--part", f"{k}/2", "-o", half]) == 0
    assert app(["merge", *halves, "-o", str(path)]) == 0


@pytest.mark.slow
def test_every_way_to_run_a_sweep_gives_the_same_rows(client, tmp_path):  # noqa: F811
    straight, url = undisturbed(WAYS, tmp_path / "straight"), f"s3://{BUCKET}/ways"
    same_place = {"dask": by_dask, "parts": in_three_parts, "halves": from_two_halves}
    for name, way in same_place.items():
        way(tmp_path / name)
        pd.testing.assert_frame_equal(rows(tmp_path / name), straight)
        assert sound(tmp_path / name)
    for count in (4, 8):
        on_many_devices(tmp_path / str(count), count)
        # Another number of devices is another program: the last digits of floats may differ.
        pd.testing.assert_frame_equal(rows(tmp_path / str(count)), straight, rtol=1e-6, atol=1e-12)
    pd.testing.assert_frame_equal(undisturbed(WAYS, url), straight)
