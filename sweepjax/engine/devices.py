"""The devices of this process, and the settings under which JAX starts."""

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax

from sweepjax.engine.cache import keep_whole

TASKS = Path("/proc/self/task")  # the threads of this process, where the system shows them


def devices(kind: str) -> tuple[Any, ...]:
    """Return the devices of this process of one kind; "" leaves the choice to JAX.

    Raises:
        RuntimeError: there is none, which is never replaced by another kind; or JAX cannot compute in this process.
    """
    if _forked:
        raise RuntimeError(
            "this process was forked from one in which JAX had run, and there it would wait forever; "
            'start processes by multiprocessing.get_context("spawn"), or use the executor dask'
        )
    prepare()
    try:
        return _local(kind)
    except (RuntimeError, AssertionError) as error:  # JAX asserts that JAX_PLATFORMS leaves it a device
        raise RuntimeError(_without(kind, str(error))) from None


def cores() -> int:
    """Return how many cores this process may use, where the system can tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare() -> None:
    """Give a CPU one device a core and keep compiled programs on disk, unless the user chose otherwise."""
    chosen = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if not chosen and (jax.config.values.get("jax_num_cpu_devices") or 0) < 1 and not _started():
        jax.config.update("jax_num_cpu_devices", cores())
    if jax.config.values.get("jax_compilation_cache_dir") is None:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(home / "sweepjax"))
    keep_whole()


def _local(kind: str) -> tuple[Any, ...]:
    """Return JAX's devices; a kind that is asked for is looked for even where JAX_PLATFORMS leaves it out."""
    chosen = _platforms()
    if not (kind and chosen) or kind in chosen.split(",") or _started():
        return tuple(jax.local_devices(backend=kind or None))
    for platforms in (f"{chosen},{kind}", kind):
        jax.config.update("jax_platforms", platforms)
        try:
            return tuple(jax.local_devices(backend=kind))
        except (RuntimeError, AssertionError) as error:
            reason = str(error)
    jax.config.update("jax_platforms", chosen)
    raise RuntimeError(reason)


def _without(kind: str, reason: str) -> str:
    """Return the sentence that says why there is no device."""
    why = f" ({reason})" if reason else ""
    if kind or not _platforms():
        return f"no {kind} device here{why}; choose another --device".replace("  ", " ")
    return f"JAX_PLATFORMS={_platforms()} names no device that is here{why}; unset it, or give --device cpu"


def _platforms() -> str:
    return jax.config.values.get("jax_platforms") or ""


def _started() -> bool:
    return jax._src.xla_bridge.backends_are_initialized()  # type: ignore[attr-defined]  # no public spelling


def _orphaned() -> bool:
    """Whether JAX has started but none of its threads is here: a fork copies no threads."""
    return _started() and TASKS.is_dir() and _threads() <= threading.active_count()


def _threads() -> int:
    """Return the threads of this process; that of pyarrow's allocator tells nothing."""
    count = 0
    for task in TASKS.iterdir():
        with suppress(OSError):  # one may end meanwhile
            count += (task / "comm").read_text().strip() != "jemalloc_bg_thd"
    return count


def _note_fork() -> None:
    global _forked  # noqa: PLW0603  of the process, as JAX's own state
    _forked = _forked or _started()


_forked = _orphaned()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
