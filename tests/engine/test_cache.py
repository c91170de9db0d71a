"""Compiled programs on disk: one that is half written is never read, and replaced."""

import os
import subprocess
import sys

import pytest

from sweepjax.engine.cache import WholeFiles

COMPILE = """
import jax
from sweepjax.engine.engine import Engine
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
family = next(Sweep().replaced(n=20, d=10, solver="sgd", until=2, realizations=2).families())
Engine("cpu").compute(Chunk(family, 0, 2))
"""


def computed(cache):
    """Compute two rows in a process of its own, which keeps its programs there."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    subprocess.run([sys.executable, "-c", COMPILE], env=environment, check=True, capture_output=True, timeout=120)


def programs(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_write_that_fails_leaves_nothing_and_one_that_is_there_is_replaced(tmp_path, monkeypatch):
    cache = WholeFiles(str(tmp_path), max_size=-1)
    kind = type(cache.path)  # another library's, where that is installed
    write = kind.write_bytes

    def full(file, content):
        write(file, content[:3])
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(kind, "write_bytes", full)
        with pytest.raises(OSError, match="no space"):
            cache.put("key", b"program")
    assert programs(tmp_path) == {}
    (tmp_path / "key-cache").write_bytes(b"pro")
    cache.put("key", b"program")
    assert programs(tmp_path) == {"key-cache": b"program"}
    assert cache.get("key") == b"program"


@pytest.mark.slow
def test_a_torn_program_is_compiled_again_and_mended(tmp_path):
    computed(tmp_path)
    whole = programs(tmp_path)
    assert whole
    assert all(name.endswith(("-cache", "-programs")) for name in whole)
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content[: len(content) // 2])
    computed(tmp_path)
    mended = programs(tmp_path)
    assert mended.keys() == whole.keys()
    assert all(len(mended[name]) > len(whole[name]) // 2 for name in whole)
