"""A Dask cluster of this machine's own: a scheduler, and one process a core or GPU."""

import asyncio
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import current_process
from typing import Any

DEATHS = 6  # of workers over one chunk, until it is given up: unlike an exception, a death need not be its fault
SILENCE = 60.0  # seconds without a heartbeat, until a worker is taken to be dead
DEVICES = (
    "import sys; from sweepjax.engine.devices import devices; found = devices(sys.argv[1]); "
    "print(found[0].platform, len(found))"
)
# Ctrl-C reaches every process of a terminal; it is for this one to end its workers.
DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
# Dask's choice for it makes every large array a new mapping of memory, which costs an eighth of the speed.
TRIM = "MALLOC_TRIM_THRESHOLD_"
ONE_DEVICE = "--xla_force_host_platform_device_count=1"


@contextmanager
def own_cluster(device: str, workers: int) -> Iterator[Any]:
    """Start a scheduler and its workers, and end them with all they have in hand.

    Raises:
        RuntimeError: the workers do not start.
    """
    import dask  # noqa: PLC0415  an extra
    from distributed import Nanny, Scheduler, SpecCluster  # noqa: PLC0415

    processes = environments(device, workers)
    common = {
        "host": "127.0.0.1",
        "nthreads": 1,
        "silence_logs": logging.ERROR,
        "memory_limit": 1 / len(processes),
        "config": {f"distributed.worker.memory.{name}": False for name in ("target", "spill", "pause")},
        "dashboard_address": "127.0.0.1:0",
        "preload": DEAF,
    }
    specs = {i: {"cls": Nanny, "options": common | {"env": each}} for i, each in enumerate(processes)}
    options = {
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
        "allowed_failures": DEATHS - 1,
        "worker_ttl": SILENCE,
    }
    quiet: Any = logging.WARNING  # declared a bool, used as a level
    with dask.config.set({f"distributed.nanny.pre-spawn-environ.{TRIM}": None}), _starting():
        cluster: Any = SpecCluster(specs, {"cls": Scheduler, "options": options}, silence_logs=quiet)
    with cluster:
        nannies = logging.getLogger("distributed.nanny")
        nannies.setLevel(logging.WARNING)  # they say which worker is lost
        try:
            yield cluster
        finally:
            # Left to itself, the cluster would wait for what its workers have in hand.
            nannies.setLevel(logging.ERROR)
            cluster.sync(_end, cluster.workers.values())


@contextmanager
def _starting() -> Iterator[None]:
    """Say in a sentence that the workers do not start; mostly it is for a script that each of them runs anew."""
    from distributed.utils import silence_logging_cmgr  # noqa: PLC0415  an extra

    if getattr(current_process(), "_inheriting", False):
        raise SystemExit(1)  # this is such a worker, and the process that started it says so
    try:
        with silence_logging_cmgr(logging.CRITICAL):
            yield
    except RuntimeError as error:
        advice = 'if a script starts them, put what it does under `if __name__ == "__main__":`, which they skip'
        raise RuntimeError(f"the workers of this run do not start ({error.__cause__ or error}); {advice}") from None


async def _end(nannies: Iterable[Any]) -> None:
    await asyncio.gather(*(nanny.close(timeout=1) for nanny in nannies))


MIG, GPU = r"\(UUID: +(MIG-[^)]+)\)", r"\(UUID: +(GPU-[^)]+)\)"  # as `nvidia-smi -L` says them


def environments(device: str, workers: int) -> list[dict[str, str]]:
    """Return the environment of each process of a cluster of our own, which shows it one core or one GPU."""
    platform, count = ("cpu", 0) if device == "cpu" else _devices(device)
    if platform == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        workers = workers or cores
        share = {"NPROC": str(max(1, cores // workers))}  # of XLA's threads, which else are as many as cores in each
        return workers * [share | {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {ONE_DEVICE}".strip()}]
    if platform != "gpu":
        return [{}]
    names = _gpus(count)
    if workers > len(names):
        raise ValueError(f"--workers {workers} is not allowed with {len(names)} GPUs, each for one process; give fewer")
    return [{"CUDA_VISIBLE_DEVICES": name} for name in names[: workers or len(names)]]


def _gpus(count: int) -> list[str]:
    """Return what CUDA calls each GPU or instance of one (MIG); a process sees one instance, however many there are."""
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES", ""):
        return visible.split(",")
    with suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=30).stdout
        if "MIG-" in told:
            return [name for each in told.split("\nGPU ") for name in re.findall(MIG, each) or re.findall(GPU, each)]
    return [str(number) for number in range(count)]


def _devices(kind: str) -> tuple[str, int]:
    """Return the platform and number of this machine's devices.

    Another process asks: this one would hold on to the GPUs that its workers are to have.
    """
    done = subprocess.run([sys.executable, "-c", DEVICES, kind], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1].removeprefix("RuntimeError: "))
    platform, count = done.stdout.split()
    return platform, int(count)
