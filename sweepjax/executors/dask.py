"""Chunks on the workers of a Dask cluster, each chunk one idempotent task."""

import json
import logging
import os
import pickle
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

from sweepjax.executors import ATTEMPTS, Compute, Failed, Outcome, Settled, Source, Watch
from sweepjax.executors._cluster import SILENCE, own_cluster
from sweepjax.types import Chunk, Family

LOOK = 1.0  # seconds between two looks at the keyboard
SLOWER = 20  # times the slowest chunk so far: a worker that takes longer is taken to hang
FAMILIES = 32  # kept as bytes, of those sent last
AHEAD = 256  # chunks from which the next for a worker is chosen


@dataclass(frozen=True)
class Dask:
    """Chunks on the workers of a Dask cluster: one of this machine's own, or one that is running.

    A worker that dies costs its chunk, which another computes. One that takes longer over a chunk than
    `patience` and than twenty times the slowest chunk so far is taken to hang, and killed.
    """

    scheduler: str = ""  # the address of a running one, or its file
    workers: int = 0  # of the cluster of our own: a process each; 0: one a core or GPU
    device: str = ""  # what these are to have
    patience: float = 600.0  # seconds

    def __post_init__(self) -> None:
        if find_spec("distributed") is None:
            raise ValueError("the executor dask needs the package distributed; run: pip install 'sweepjax[dask]'")
        if self.scheduler and self.workers:
            raise ValueError("a running scheduler has its workers already; give --scheduler or --workers, not both")
        if self.scheduler and not (":" in self.scheduler or Path(self.scheduler).is_file()):
            what = "is neither the address of a scheduler, such as tcp://10.0.0.1:8786, nor a scheduler file"
            raise ValueError(f"--scheduler {self.scheduler!r} {what}; give one of them")

    def __call__(self, compute: Compute, chunks: Iterable[Chunk], watch: Watch) -> Settled:
        """Yield each chunk with what became of it, in the order in which they are finished.

        Raises:
            ConnectionError: the scheduler is gone.
            RuntimeError: a worker cannot compute any chunk.
        """
        source = Source(chunks)
        with self._client() as client:
            try:
                yield from _Crew(client, compute, iter(source), self.patience).settled(watch)
            except OSError as error:
                if error is source.error:
                    raise
                gone = f"the Dask scheduler {self.scheduler or 'of this run'} is gone; finished rows are safe"
                raise ConnectionError(f"{gone}, so start it again and run the same command") from None

    @contextmanager
    def _client(self) -> Iterator[Any]:
        from distributed import Client  # noqa: PLC0415  an extra
        from distributed.utils import silence_logging_cmgr  # noqa: PLC0415

        if not self.scheduler:
            with own_cluster(self.device, self.workers) as cluster, Client(cluster, set_as_default=False) as client:
                yield client
            return
        # Of a scheduler that is gone the logs print tracebacks; we say it in a sentence.
        with silence_logging_cmgr(logging.CRITICAL), Client(_address(self.scheduler), set_as_default=False) as client:
            yield client


def _address(scheduler: str) -> str:
    """Return the address of a scheduler, which its file tells if that is given."""
    file = Path(scheduler)
    try:
        return json.loads(file.read_text())["address"] if file.is_file() else scheduler
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{file} is no scheduler file; give that of `dask scheduler --scheduler-file`") from None


@dataclass
class _Attempt:
    """A chunk on its way: where it was last seen, since when, and on which workers it failed."""

    chunk: Chunk
    failed_on: tuple[str, ...] = ()
    place: str = ""
    asked: tuple[str, ...] = ()  # where the scheduler was asked to send it
    since: float = field(default_factory=time.monotonic)


class _Crew:
    """The workers of a cluster, and what each has in hand: one chunk, so that none is blamed for another."""

    def __init__(self, client: Any, compute: Compute, chunks: Iterator[Chunk], patience: float) -> None:
        self.client, self.compute, self.chunks, self.patience = client, compute, chunks, patience
        self.ahead: list[Chunk] = []
        self.families: dict[str, str] = {}  # of which each worker was given a chunk last
        self.packed: dict[str, bytes] = {}  # families that were sent last
        self.out: dict[str, tuple[Any, _Attempt]] = {}
        self.ended: SimpleQueue[Any] = SimpleQueue()
        self.slowest, self.looked = 0.0, time.monotonic()

    def settled(self, watch: Watch) -> Settled:
        """Yield chunks as they are settled; the next is sent before the last is fetched and kept."""
        ended: tuple[Any, _Attempt] | None = None
        while True:
            workers = self.client.nthreads()
            self._hand_out(workers)
            if ended and (outcome := self._outcome(*ended)):
                watch("rows", ended[1].chunk.rows)
                yield ended[1].chunk, outcome
            if not self.out:
                return
            watch("computing" if workers else "waiting for workers", 0)
            ended = self._next()

    def _hand_out(self, workers: Iterable[str]) -> None:
        """Give each worker that has nothing in hand a chunk; where there is no worker, one waits for the first."""
        workers, busy = list(workers), {attempt.place for _, attempt in self.out.values()}
        free = [address for address in workers if address not in busy] or [""]
        for address in free[: max(0, max(len(workers), 1) - len(self.out))]:
            if chunk := self._chosen(address):
                self._send(_Attempt(chunk, place=address))

    def _chosen(self, worker: str) -> Chunk | None:
        """Return a chunk whose program the worker has already, or else one whose program no other has."""
        self.ahead += islice(self.chunks, AHEAD - len(self.ahead))
        if not self.ahead:
            return None
        own, all_had = self.families.get(worker), set(self.families.values())
        chunk = min(self.ahead, key=lambda chunk: (chunk.family.id != own, chunk.family.id in all_had))
        self.ahead.remove(chunk)
        self.families[worker] = chunk.family.id
        return chunk

    def _send(self, attempt: _Attempt) -> None:
        from cloudpickle import dumps  # noqa: PLC0415  an extra

        attempt.asked = (attempt.place,) if attempt.place else self._others(attempt.failed_on)
        where: Any = {"workers": attempt.asked, "allow_other_workers": True} if attempt.asked else {}
        # As bytes: a scheduler reads what it passes on, and need not know the plug-ins of a sweep.
        chunk = attempt.chunk
        if chunk.family.id not in self.packed:
            kept = list(self.packed.items())[1 - FAMILIES :]
            self.packed = {**dict(kept), chunk.family.id: dumps(chunk.family)}
        task = dumps((self.compute, chunk.start, chunk.stop))
        future = self.client.submit(_one_at_a_time, task, self.packed[chunk.family.id], pure=False, **where)
        self.out[future.key] = future, attempt
        future.add_done_callback(self.ended.put)

    def _others(self, failed_on: tuple[str, ...]) -> tuple[str, ...]:
        """Return the workers on which a chunk has not failed, if it has failed at all."""
        return tuple(address for address in self.client.nthreads() if address not in failed_on) if failed_on else ()

    def _next(self) -> tuple[Any, _Attempt] | None:
        """Return the next chunk that comes back; nothing where none does for a while.

        Raises:
            ConnectionError: the scheduler is gone.
        """
        if time.monotonic() - self.looked > min(LOOK, self.patience):
            self._look_round()
        try:
            future = self.ended.get(timeout=LOOK)
        except Empty:
            return None
        if self.client.status != "running":
            raise ConnectionError
        _, attempt = self.out.pop(future.key)
        if future.status == "finished":
            self.slowest = max(self.slowest, time.monotonic() - attempt.since)
        return future, attempt

    def _look_round(self) -> None:
        """Note which worker has which chunk, end those that have had theirs for too long, replace those given up.

        A chunk whose worker died while no other was there waits for just that one: it is sent again.
        """
        self.looked = now = time.monotonic()
        if self.client.cluster:
            self.client.cluster.scale(len(self.client.cluster.worker_spec))
        processing = self.client.processing()
        places = {key: address for address, keys in processing.items() for key in keys}
        for key, (future, attempt) in self.out.items():
            place = places.get(key, "")
            if place != attempt.place:
                attempt.place, attempt.since = place, now
            if place and self.slowest and now - attempt.since > max(self.patience, SLOWER * self.slowest):
                self.client.run(_die, workers=[place], wait=False)
            if not place and processing and attempt.asked and not processing.keys() & attempt.asked:
                future.cancel()

    def _outcome(self, future: Any, attempt: _Attempt) -> Outcome | None:
        """Return what became of a chunk, or send it again."""
        from distributed import CancelledError, KilledWorker  # noqa: PLC0415

        try:
            outcome = future.result(timeout=SILENCE)  # computed again, if the worker that held it is lost by now
        except CancelledError:
            return self._send(_Attempt(attempt.chunk, attempt.failed_on))
        except KilledWorker as error:
            last = error.last_worker.address
            return Failed(f"every time its worker died, the last at {last}", error.allowed_failures + 1)
        except Exception as error:
            if future.status == "pending":  # it is not: there was no worker to do so at that moment
                future.cancel()
                return self._send(_Attempt(attempt.chunk, attempt.failed_on))
            if future.status != "error":
                raise
            raise RuntimeError(f"a worker cannot compute any chunk ({error}); finished rows are safe") from error
        if isinstance(outcome, Failed) and len(attempt.failed_on) + 1 < ATTEMPTS:
            holders = (address for held in self.client.who_has([future]).values() for address in held)
            return self._send(_Attempt(attempt.chunk, (*attempt.failed_on, next(holders, ""))))
        return outcome


async def _die() -> None:
    """End the worker that this runs on, whatever its threads do."""
    os._exit(1)


BUSY = Lock()


def _one_at_a_time(task: bytes, family: bytes) -> Outcome:
    """Compute a chunk on a worker, whose devices share each chunk whatever the number of its threads."""
    compute, start, stop = pickle.loads(task)
    with BUSY:
        return compute(Chunk(_unpacked(family), start, stop), _unwatched)


@lru_cache(maxsize=2)
def _unpacked(family: bytes) -> Family:
    """Return a family, the same one for its next chunk: it may have 10^6 tasks."""
    return pickle.loads(family)


def _unwatched(what: str, rows: int) -> None:
    """Tell nobody."""
