"""What this machine offers to sweepjax, and whether it computes a row rightly.

Each finding is a line: what was looked at, whether it is sound, and what was found.
"""

import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sweepjax.engine.devices import cores
from sweepjax.engine.engine import Engine
from sweepjax.engine.memory import memory
from sweepjax.engine.redraw import dataset
from sweepjax.engine.settings import settled
from sweepjax.recheck.limit import contradictions
from sweepjax.store import disk
from sweepjax.store.chunkfile import table
from sweepjax.store.same_rows import differences
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk

PACKAGES = ("sweepjax", "jax", "jaxlib", "numpy", "pyarrow")
SIZE, TIMES = 1024, 3  # of a matrix whose products are timed, and how often
DRAW = Chunk(Sweep(realizations=1).replaced(lam="0.4", n=40).family(0), 0, 1)
LEAST_FREE = 2**30  # bytes


class Finding(NamedTuple):
    """What was looked at, whether nothing is broken there, and what was found."""

    name: str
    sound: bool
    text: str


def examine(device: str = "", folder: Path = Path()) -> Iterator[Finding]:
    """Yield what is found of versions, devices, their speed, the cache of programs, a folder's disk and one row each.

    Raises:
        RuntimeError: there is no device of this kind.
    """
    yield Finding("versions", True, ", ".join(f"{name} {_version(name)}" for name in PACKAGES))
    yield Finding("system", True, f"{platform.system()} {platform.release()}, Python {platform.python_version()}")
    engine = Engine(device)
    for each in engine.devices:
        yield Finding("device", True, f"{each.id}: {each.device_kind} ({each.platform}), {_memory(each)}")
    yield Finding("cores", True, f"{cores()} for this process")
    for kind in (jnp.float32, jnp.float64):
        yield from _rates(engine.devices[0], kind)
    yield _cache()
    yield _disk(folder)
    yield _row(engine)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _memory(device: Any) -> str:
    limit = memory(device)
    return "memory unknown" if limit is None else f"{limit / 2**30:.3g} GiB for this process"


def _rates(device: Any, kind: Any) -> Iterator[Finding]:
    """Time a product and a Cholesky factorisation, in floating-point operations a second."""
    tasks = {"product": (lambda a: a @ a.T, 2 * SIZE**3), "Cholesky": (jnp.linalg.cholesky, SIZE**3 / 3)}
    with settled(), jax.default_device(device):
        a = jnp.eye(SIZE, dtype=kind) * SIZE + jnp.ones((SIZE, SIZE), kind)
        for name, (function, operations) in tasks.items():
            seconds, result = _timed(jax.jit(function), a)
            sound = bool(jnp.all(jnp.isfinite(result)))
            what = f"{name} of {jnp.dtype(kind).name}"
            yield Finding(what, sound, f"{operations / seconds / 1e9:.3g} GFLOP/s" + ("" if sound else ", not finite"))


def _timed(function: Callable[[Any], Any], argument: Any) -> tuple[float, Any]:
    """Return the shortest of a few times, after the first call, and the result."""
    result, best = jax.block_until_ready(function(argument)), np.inf
    for _ in range(TIMES):
        start = time.perf_counter()
        result = jax.block_until_ready(function(argument))
        best = min(best, time.perf_counter() - start)
    return best, result


def _cache() -> Finding:
    """Say where compiled programs are kept; without that every process compiles anew."""
    path = _cache_folder()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            held = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    except OSError as error:
        return Finding("cache", False, f"{path} cannot be written to ({error.strerror}); set JAX_COMPILATION_CACHE_DIR")
    return Finding("cache", True, f"{path}, {held / 1e6:.3g} MB of compiled programs")


def _cache_folder() -> Path:
    return Path(jax.config.values.get("jax_compilation_cache_dir") or "")


def _disk(folder: Path) -> Finding:
    """Write a file as chunks are written."""
    try:
        with tempfile.TemporaryDirectory(prefix="_doctor-", dir=folder) as made:
            disk.save(Path(made) / "chunk", b"rows", "")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("disk", False, f"{folder.absolute()} cannot be written to ({error.strerror})")
    return Finding("disk", free > LEAST_FREE, f"{folder.absolute()}, {free / 2**30:.3g} GiB free")


def _row(engine: Engine) -> Finding:
    """Compute a row, and hold it against SciPy and against the CPU."""
    found = table(engine.compute(DRAW))
    (row,) = found.to_pylist()
    wrong = [each.column for each in contradictions(row, DRAW.family.tasks[0].model, dataset(row))]
    if engine.devices[0].platform != "cpu":
        wrong += [each.column for each in differences(found, table(Engine("cpu").compute(DRAW)), unlike=True)]
    what = "not certified" if not row["certified"] else f"wrong: {', '.join(wrong)}" if wrong else "as SciPy finds it"
    return Finding("row", row["certified"] and not wrong, f"n {row['n']}, d {row['d']}: {what}")
