"""Programs on disk: met again they are not built again, as long as nothing that they follow from has changed."""

import os
import subprocess
import sys

import jax
import numpy as np
import pandas as pd
import pytest
from jax._src import compilation_cache
from jax.experimental.compilation_cache.compilation_cache import reset_cache

from sweepjax.engine import kept, programs
from sweepjax.engine.cache import aside
from sweepjax.engine.engine import Engine
from sweepjax.models.logistic import Logistic
from sweepjax.store.chunkfile import table
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk, plugin

SWEEP = Sweep().replaced(n=20, d=10, solver="sgd", until=2, realizations=3)
ANEW = """
from sweepjax.engine import programs
from sweepjax.engine.engine import Engine
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk
import jax
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
built, build = [], programs._built
programs._built = lambda *given: built.append(1) or build(*given)
family = next(Sweep().replaced(n=20, d=8, realizations=2).families())
Engine("cpu").compute(Chunk(family, 0, 2))
print(len(built))
"""


@pytest.fixture
def builds(tmp_path, monkeypatch):
    """What is built from now on, with an empty cache."""
    before = {name: jax.config.values[name] for name in ("jax_compilation_cache_dir", kept.LEAST)}
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "cache"))
    jax.config.update(kept.LEAST, 0.0)
    reset_cache()
    built, build = [], programs._built
    monkeypatch.setattr(programs, "_built", lambda *given: built.append(given) or build(*given))
    yield built
    reset_cache()
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture
def again(monkeypatch):
    """Rows of a process that has met no program."""

    def rows(sweep=SWEEP):
        monkeypatch.setattr(programs, "_programs", {})
        (family,) = sweep.families()
        chunk = Chunk(family, 0, 3)
        return table(Engine("cpu").compute(chunk)).to_pandas()

    return rows


def files(folder):
    return sorted(folder.glob("cache/*-programs"))


def test_a_program_that_is_met_again_is_not_built_again_and_gives_the_same_bits(builds, again):
    first = again()
    pd.testing.assert_frame_equal(again(), first)
    assert len(builds) == 1


def flipped(content):
    """A file of which one bit has changed."""
    place = int(0.9 * len(content))
    return content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]


@pytest.mark.parametrize(
    "torn",
    [
        flipped,
        pytest.param(lambda content: content[: len(content) // 2], marks=pytest.mark.slow),
        pytest.param(lambda content: b"nonsense", marks=pytest.mark.slow),
        pytest.param(lambda content: b"", marks=pytest.mark.slow),
    ],
    ids=["flipped", "half", "nonsense", "empty"],
)
def test_a_file_that_is_not_what_was_written_is_replaced(torn, tmp_path, builds, again):
    first = again()
    (file,) = files(tmp_path)
    file.write_bytes(torn(file.read_bytes()))
    for _ in range(2):
        pd.testing.assert_frame_equal(again(), first)
    assert len(builds) == 2


@pytest.mark.slow
def test_programs_under_the_name_of_others_are_not_run(tmp_path, builds, again):
    again()
    wide = again(SWEEP.replaced(d=8))
    one, other = files(tmp_path)
    content = one.read_bytes(), other.read_bytes()
    one.write_bytes(content[1])
    other.write_bytes(content[0])
    pd.testing.assert_frame_equal(again(SWEEP.replaced(d=8)), wide)
    assert len(builds) == 3


@pytest.mark.slow
def test_what_jax_kept_before_is_not_kept_a_second_time(tmp_path, builds, again, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(programs, "kept", lambda *given: given[-1]())
        first = again()
    assert files(tmp_path) == []
    assert list(tmp_path.glob("cache/*-cache"))
    for _ in range(2):
        pd.testing.assert_frame_equal(again(), first)
    assert len(builds) == 2


def test_other_code_is_another_program(tmp_path, builds, again, monkeypatch):
    again()
    monkeypatch.setattr(kept, "_standing_on", lambda: ("other code",))
    again()
    assert len(builds) == len(files(tmp_path)) == 2


@pytest.mark.slow
def test_other_settings_and_times_are_another_program(tmp_path, builds, again):
    again()
    before = jax.config.values["jax_default_matmul_precision"]
    jax.config.update("jax_default_matmul_precision", "float32")
    again()
    jax.config.update("jax_default_matmul_precision", before)
    again(SWEEP.replaced(until=3))
    assert len(builds) == len(files(tmp_path)) == 3


def test_where_jax_has_opened_a_cache_of_its_own_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(compilation_cache, "_cache", object())
    with aside() as fresh:
        assert not fresh
    monkeypatch.setattr(compilation_cache, "_cache", None)
    with aside() as fresh:
        assert fresh


def test_a_cache_may_be_moved(tmp_path, builds, again):
    first = again()
    there = (tmp_path / "cache").rename(tmp_path / "moved")
    jax.config.update("jax_compilation_cache_dir", str(there))
    pd.testing.assert_frame_equal(again(), first)
    assert len(builds) == 1


@plugin
class Outside(Logistic):
    """A model that is none of ours."""


def test_a_program_with_code_from_elsewhere_is_not_kept(tmp_path, builds, again):
    sweep = SWEEP.replaced(model=Outside)
    again(sweep)
    again(sweep)
    assert len(builds) == 2
    assert files(tmp_path) == []


@pytest.mark.slow
def test_a_cache_that_is_switched_off_or_evicts_is_left_alone(tmp_path, builds, again):
    for name, value in {"jax_enable_compilation_cache": False, "jax_compilation_cache_max_size": 10**9}.items():
        before = jax.config.values[name]
        jax.config.update(name, value)
        again()
        jax.config.update(name, before)
    assert len(builds) == 2
    assert files(tmp_path) == []


@pytest.mark.filterwarnings("ignore:Error reading persistent")  # JAX's own word on it
def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path, builds, again):
    (tmp_path / "file").write_text("")
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "file" / "below"))
    assert len(again()) == 3
    assert len(builds) == 1


def test_numbers_of_the_rows_are_no_part_of_a_program(builds, again):
    one, other = again(), again(SWEEP.replaced(sigma=3.0))
    assert not np.array_equal(one["sigma"], other["sigma"])
    assert len(builds) == 1


@pytest.mark.slow
def test_a_process_that_lowers_nothing_calls_lapack(tmp_path):
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path)}
    for built in ("1", "0"):
        told = subprocess.run(
            [sys.executable, "-c", ANEW], env=environment, check=True, capture_output=True, text=True, timeout=300
        )
        assert told.stdout.strip() == built
