"""Programs kept on disk with what they take and give, so that a process that meets one again need not trace it.

JAX's own cache is asked for a program only once it is traced and lowered, which is most of a warm start. This one is
asked with what a program is made of: our code, what that stands on, the machine, and the shapes. A program with code
from elsewhere is not kept, since nobody knows what else that reads; nor is one of a GPU, where this has not been tried.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import pickle
import platform
import sys
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental.serialize_executable import deserialize_and_load, serialize
from jaxlib.lapack import prepare_lapack_call

import sweepjax
from sweepjax.engine.cache import aside, write_whole
from sweepjax.plugins import outside

Programs = tuple[jax.stages.Compiled, ...]
STANDS_ON = ("jax", "jaxlib", "numpy", "optax", "scipy")
LEAST = "jax_persistent_cache_min_compile_time_secs"  # that take less are not kept
SEAL = hashlib.sha256().digest_size
INSTRUCTIONS = Path("/proc/cpuinfo")


def kept(made_of: Any, plug_ins: Iterable[Any], device: Any, build: Callable[[], Programs]) -> Programs:
    """Return programs of a device as they were kept, or build them; those that took long are kept.

    Args:
        made_of: whatever they follow from besides the code; its text is what counts.
        plug_ins: the objects whose code is in them.
        device: where they run.
        build: compiles them.
    """
    home, classes = _home(), [type(each) for each in plug_ins]
    if not home or device.platform != "cpu" or any(map(outside, classes)):
        return build()
    file = home / f"{_digest((made_of, classes), device)}-programs"
    with contextlib.suppress(Exception):  # whatever is wrong with a file, the programs can be built
        return _read(file, device)
    begun = time.monotonic()
    with aside() as fresh:
        programs = build()
    if fresh and time.monotonic() - begun >= jax.config.values[LEAST]:
        with contextlib.suppress(Exception):  # a disk that is full, or a program that cannot be written
            _write(file, pickle.dumps([serialize(program) for program in programs]))
    return programs


def _home() -> Path | None:
    """Return where JAX keeps its programs, if it does, and on a disk, and as many as there are."""
    chosen = jax.config.values
    place = chosen["jax_compilation_cache_dir"]
    whole = chosen["jax_enable_compilation_cache"] and chosen["jax_compilation_cache_max_size"] == -1
    return Path(place) if place and whole and "://" not in str(place) else None


def _digest(made_of: Any, device: Any) -> str:
    where = device.id, device.platform, device.device_kind, device.client.platform_version
    chosen = sorted((name, value) for name, value in jax.config.values.items() if "cache" not in name)
    settings = chosen, os.environ.get("XLA_FLAGS")
    return hashlib.sha256(repr((_standing_on(), where, settings, made_of)).encode()).hexdigest()


@cache
def _standing_on() -> tuple[str, ...]:
    """Return what the code is, what it stands on, and which instructions this machine knows."""
    code = hashlib.sha256()
    for file in sorted(Path(sweepjax.__file__).parent.rglob("*.py")):
        code.update(str(file).encode() + file.read_bytes())
    return code.hexdigest(), sys.version, *map(importlib.metadata.version, STANDS_ON), platform.machine(), _knows()


def _knows() -> str:
    """Return the instructions that this machine knows or, where nothing says so, its name."""
    with contextlib.suppress(OSError):
        for line in INSTRUCTIONS.read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return platform.node()


def _read(file: Path, device: Any) -> Programs:
    content = file.read_bytes()
    # A bit that is not as it was may end the process, or compute something else.
    if content[:SEAL] != _seal(file, content[SEAL:]):
        raise ValueError(f"{file} is not what was written")
    parts = pickle.loads(content[SEAL:])
    # Lowering does so where it meets one; without it a program calls LAPACK at an address that is not known yet.
    prepare_lapack_call("potrf_ffi", np.dtype(np.float64))
    return tuple(deserialize_and_load(*part, execution_devices=[device], backend=device.client) for part in parts)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, _seal(file, content) + content)


def _seal(file: Path, content: bytes) -> bytes:
    """Return what only these programs under this name have."""
    return hashlib.sha256(file.name.encode() + content).digest()
