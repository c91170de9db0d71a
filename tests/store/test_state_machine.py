"""Runs that are killed, damaged, repaired, extended and merged in any order, on rows that cost nothing to compute."""

import io
import os
import secrets
import tomllib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tampering import chunks, everything

from sweepjax.columns import labels
from sweepjax.engine.engine import Engine
from sweepjax.identity import digest
from sweepjax.run import Part, fill, open_store, share
from sweepjax.store.chunkfile import Damaged
from sweepjax.store.directory import RECORD
from sweepjax.store.merge import merge
from sweepjax.store.store import Store
from sweepjax.store.verify import repair, verify
from sweepjax.sweep.sweep import Sweep

# Two families of two tasks: an odd number of realizations ends in a chunk of half the rows.
SWEEP = Sweep().replaced(solver="probe:Bits", n=20, lam="0.4,0.5", seed="0,1")
CHUNK_ROWS, MOST, WHOLE = 4, 9, Part()
STEPS = ("open", "write", "fsync", "replace", "replaced")
CLOSED = ("write", "fsync", "replace")  # the steps that leave a temporary

NAMES = st.sampled_from("abc")
MORE = st.integers(-1, 2)  # realizations than a directory was asked for
PARTS = st.sampled_from([WHOLE, WHOLE, Part(1, 2), Part(2, 2), Part(2, 3), Part(3, 3)])
DEATHS = st.none() | st.tuples(st.sampled_from(STEPS), st.integers(1, 5))
PLACES = st.floats(0, 1, exclude_max=True)  # of a file among others, of a byte in a file

counts = Counter()


@dataclass(frozen=True)
class Pure(Engine):
    """Columns that are a pure function of the labels, at no cost."""

    def prepare(self, family):
        """Compile nothing."""

    def stream(self, chunks, watch=lambda what, rows: None, keeper=None):
        return ((chunk, self.compute(chunk, watch)) for chunk in chunks)

    def compute(self, chunk, watch=lambda what, rows: None, keeper=None):
        watch("rows", chunk.rows)
        known = labels(chunk)
        rows = zip(*(known[name].tolist() for name in ("d", "seed", "realization")), strict=True)
        values = np.array([value(*row) for row in rows])
        return known | {"value": values, "root": np.ma.MaskedArray(np.sqrt(values), mask=values % 2 == 1)}


PURE = Pure()


@cache
def value(d, seed, realization):
    return int(digest([d, seed, realization]), 16)


@cache
def rows_of(content):
    """The rows of a file, (d, seed, realization) each, once every value is found to be right."""
    held = pq.ParquetFile(pa.BufferReader(content)).read().to_pylist()
    rows = [(row["d"], row["seed"], row["realization"]) for row in held]
    for row, read in zip(rows, held, strict=True):
        assert read["value"] == value(*row)
        assert read["root"] == (None if value(*row) % 2 else np.sqrt(value(*row)))
    assert len(set(rows)) == len(rows)
    return frozenset(rows)


def planned(realizations, part=WHOLE):
    """The rows of each file that a run is to leave."""
    return {
        Store.file(Store(Path(), None, CHUNK_ROWS), chunk).name: {
            (task.model.d, task.seed, index // len(chunk.family.tasks))
            for index in range(chunk.start, chunk.stop)
            for task in [chunk.family.tasks[index % len(chunk.family.tasks)]]
        }
        for chunk in share(SWEEP.replaced(realizations=realizations), CHUNK_ROWS, part)
    }


@cache
def straight(realizations):
    """The files of a run that nothing has happened to."""
    with TemporaryDirectory() as path:
        run(Path(path, "run"), realizations)
        return files_of(Path(path, "run"))


def files_of(path):
    return {file.name: file.read_bytes() for file in chunks(path)}


def run(path, realizations, part=WHOLE, watch=lambda what, rows: None):
    """What the command does."""
    sweep = SWEEP.replaced(realizations=realizations)
    # The size of the chunks is that of the first run.
    wanted = CHUNK_ROWS if not (path / RECORD).exists() else 3 * CHUNK_ROWS
    store = open_store(sweep, path, chunk_rows=wanted, engine=PURE)
    assert store.chunk_rows == CHUNK_ROWS
    fill(store, share(sweep, store.chunk_rows, part), engine=PURE, watch=watch)


class Killed(BaseException):
    """What the process would do next, it does not."""


class Half(io.BufferedWriter):
    """A file whose writer is killed halfway."""

    def write(self, content):
        super().write(content[: len(content) // 2])
        self.flush()
        raise Killed


@contextmanager
def dying(step, puts):
    """Kill the process in a step of its so many-th put; from then on it does nothing to the disk."""
    opened, fsync, replace, unlink = Path.open, os.fsync, Path.replace, Path.unlink
    begun, dead = 0, False

    def reach(here):
        nonlocal dead
        dead = dead or (begun == puts and here == step)
        if dead:
            raise Killed

    def open_dying(file, mode="r", **options):
        nonlocal begun, dead
        if "r" in mode:
            return opened(file, mode, **options)
        begun += 1
        reach("open")
        dead = begun == puts and step == "write"
        return Half(io.FileIO(file, mode)) if dead else opened(file, mode, **options)

    def fsync_dying(descriptor):
        reach("fsync")
        fsync(descriptor)

    def replace_dying(file, target):
        reach("replace")
        replace(file, target)
        reach("replaced")

    def unlink_dying(file, missing_ok=False):
        reach("unlink")
        unlink(file, missing_ok=missing_ok)

    with (
        patch.object(Path, "open", open_dying),
        patch.object(os, "fsync", fsync_dying),
        patch.object(Path, "replace", replace_dying),
        patch.object(Path, "unlink", unlink_dying),
    ):
        yield


class Runs(RuleBasedStateMachine):
    """Three directories of one sweep, and what they must hold."""

    def __init__(self):
        super().__init__()
        self.home = TemporaryDirectory()
        self.kept = {}  # the finished rows of each directory, those of damaged files aside
        self.asked = {}  # the realizations that each directory was asked for
        self.damaged = {}  # files with what is left of them
        self.left = {}  # temporaries of processes that are dead or not ours, with their content
        self.verified = {}  # each directory as it was when it was last verified
        counts["examples"] += 1

    def place(self, name):
        return Path(self.home.name, name)

    def runs(self):
        return [path for path in map(self.place, "abc") if (path / RECORD).exists()]

    def broken(self, *paths):
        """The damaged files of some directories; a run may have put a new one in the place of one."""
        files = (file for file in self.damaged if file.parent in paths and file.exists())
        return {file for file in files if file.read_bytes() == self.damaged[file]}

    def sound(self, path):
        return {file: rows_of(file.read_bytes()) for file in chunks(path) if file not in self.broken(path)}

    def wanted(self, path, more):
        return min(max(self.asked.get(path, 0) + more, 1), MOST)

    def process(self, path, act, death):
        """Let a process write into a directory; return whether it came to its end."""
        try:
            if death is None:
                act()
            else:
                with dying(*death):
                    act()
        except Killed:
            counts["crashes"] += 1
            self._expect_leftover(path, death[0] in CLOSED)
            return False
        return True

    def _expect_leftover(self, path, expected):
        new = {file: file.read_bytes() for file in path.glob("_*.tmp") if file not in self.left}
        assert len(new) == expected
        self.left |= new

    def filled(self, path, realizations, part, watch=lambda what, rows: None):
        """Run, unless a damaged file forbids it; return whether it did."""
        try:
            run(path, realizations, part, watch)
        except Damaged:
            assert self.broken(path)
            return
        held = {file.name: rows for file, rows in self.sound(path).items()}
        broken = {file.name for file in self.broken(path)}
        for name, rows in planned(realizations, part).items():
            assert name in broken or rows <= held[name]

    @initialize(part=PARTS)
    def start(self, part):
        self.filled(self.place("a"), 2, part)

    @rule(name=NAMES, more=MORE, part=PARTS, death=DEATHS)
    def run(self, name, more, part, death):
        path, before = self.place(name), self.asked.get(self.place(name), 0)
        realizations = self.wanted(path, more)
        counts["runs"] += 1
        counts["extensions"] += realizations > before > 0
        if self.process(path, partial(self.filled, path, realizations, part), death):
            assert recorded(path) == max(before, realizations)

    @rule(name=NAMES, more=MORE, part=PARTS, theirs=st.integers(0, 2), chunk=st.integers(1, 3))
    def run_while_another_runs(self, name, more, part, theirs, chunk):
        path, computed = self.place(name), count(1)
        realizations = self.wanted(path, more)

        def watch(what, rows):
            if next(computed) == chunk:
                self.filled(path, min(realizations + theirs, MOST), WHOLE)
                self.kept[path] = self.rows(path)
                counts["runs beside another"] += 1

        self.filled(path, realizations, part, watch)

    @rule(places=st.lists(PLACES, min_size=1, max_size=3), name=NAMES, death=DEATHS)
    def merge(self, places, name, death):
        out, sources = self.place(name), [picked(self.runs(), place) for place in places]
        involved = {*sources, *([out] if out in self.runs() else [])}
        broken = self.broken(*involved)
        before = {path: everything(path) for path in self.runs()}
        rows = set().union(*(self.kept[path] for path in involved))
        try:
            done = self.process(out, partial(merge, sources, out), death)
        except Damaged:
            assert broken
            assert {path: everything(path) for path in self.runs()} == before
            counts["merges refused"] += 1
            return
        assert not (done and broken)
        assert all(everything(path) == files for path, files in before.items() if path != out)
        if done:
            assert self.rows(out) == rows
            assert recorded(out) == max(self.asked[path] for path in involved)
            counts["merges"] += 1

    @precondition(lambda self: any(map(self.sound, self.runs())))
    @rule(which=PLACES, where=PLACES, bit=st.none() | st.integers(0, 7))
    def damage(self, which, where, bit):
        file, rows = picked([pair for path in self.runs() for pair in self.sound(path).items()], which)
        content = file.read_bytes()
        place = int(where * len(content))
        flipped = b"" if bit is None else bytes([content[place] ^ 1 << bit]) + content[place + 1 :]
        file.write_bytes(content[:place] + flipped)
        self.damaged[file] = file.read_bytes()
        self.kept[file.parent] -= rows
        counts["truncations" if bit is None else "flips"] += 1

    @precondition(lambda self: self.broken(*self.runs()))
    @rule(place=PLACES)
    def repair(self, place):
        path = picked(sorted({file.parent for file in self.broken(*self.runs())}), place)
        broken = self.broken(path)
        assert set(repair(verify(opened(path)))) == broken
        assert not self.broken(path)
        counts["repairs"] += len(broken)

    @rule(place=PLACES, content=st.binary(max_size=20))
    def leave(self, place, content):
        """Another process is about to write a file."""
        path = picked(self.runs(), place)
        file = path / f"_{picked([RECORD, *planned(MOST)], place)}.1-{secrets.token_hex(4)}.tmp"
        file.write_bytes(content)
        self.left[file] = content
        counts["leftovers of others"] += 1

    def rows(self, path):
        """The rows of the sound files, each of them there once."""
        files = self.sound(path).values()
        rows = set().union(*files)
        assert len(rows) == sum(map(len, files))
        return rows

    @invariant()
    def no_finished_row_is_lost_or_there_twice(self):
        for path in self.runs():
            rows, realizations = self.rows(path), recorded(path)
            assert rows >= self.kept.get(path, set())
            assert realizations >= self.asked.get(path, 0)
            self.kept[path], self.asked[path] = rows, realizations

    @invariant()
    def verify_says_what_is_true(self):
        changed = [path for path in self.runs() if everything(path) != self.verified.get(path)]
        for path in changed:
            self.verified[path] = everything(path)
            findings = verify(opened(path))
            assert {fault.file for fault in findings.faults} == self.broken(path)
            assert all(fault.replaceable for fault in findings.faults)
            assert {file: chunk.rows for file, chunk in findings.sound.items()} == {
                file: len(rows) for file, rows in self.sound(path).items()
            }
            assert findings.missing == 4 * self.asked[path] - len(self.kept[path])
            assert set(findings.leftovers) == {file for file in self.left if file.parent == path}
            counts["verifications"] += 1

    @invariant()
    def what_others_are_writing_stays(self):
        assert all(file.read_bytes() == content for file, content in self.left.items())

    def teardown(self):
        with self.home:
            for path in self.runs():
                repair(verify(opened(path)))
                run(path, recorded(path))
                counts["rows"] += len(self.rows(path))
                assert files_of(path) == straight(recorded(path))
            if self.runs():
                whole = merge(self.runs(), self.place("whole"))
                assert files_of(whole.path) == straight(whole.sweep.realizations)


def opened(path):
    return Store.open(path)


def recorded(path):
    return tomllib.loads((path / RECORD).read_text())["realizations"]


def picked(things, place):
    return things[int(place * len(things))]


def exercise(machine=Runs, **limits):
    quiet = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=settings(quiet, **limits))


@pytest.mark.slow
def test_no_row_is_lost_whatever_happens_to_a_run():
    exercise(max_examples=12, stateful_step_count=20)


# Five hundred histories in parts, which the workers of the tests share.
@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_no_row_is_lost_in_hundreds_of_histories(part):
    counts.clear()
    exercise(seed(part)(type(f"Runs{part}", (Runs,), {})), max_examples=50, stateful_step_count=40)
    print(*(f"{times} {what}" for what, times in sorted(counts.items())), sep=", ")
    assert min(counts[what] for what in ("crashes", "repairs", "merges", "flips", "truncations", "extensions")) > 10
