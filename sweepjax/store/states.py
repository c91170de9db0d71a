"""What is kept of chunks that are not finished, so that a process that is killed loses minutes and not hours.

A state is one file of arrays beside the chunks, put whole, and removed when its chunk is written. Nobody needs it:
without it the rows are computed anew. So one that another version, device or code left is not gone on from.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from sweepjax.store.chunkfile import put
from sweepjax.store.directory import STATE, states
from sweepjax.store.footers import origin, software, stem
from sweepjax.store.paths import Overtaken, content, remove, tag
from sweepjax.types import Chunk

HEADER = "header"

Arrays = dict[str, np.ndarray]


class States:
    """The states of chunks in a directory.

    Args:
        path: the directory.
        every: seconds between two states of a chunk.
        told: what must be as it was when a state was kept, such as the device.
    """

    def __init__(self, path: Path, every: float, told: Callable[[Chunk], Mapping[str, str]]) -> None:
        self.path, self.every, self.told = path, every, told
        self.there = {file.name for file in states(path)}

    def load(self, chunk: Chunk) -> Arrays | None:
        """Return the state of a chunk, None where there is none from which this process may go on."""
        file = self._file(chunk)
        arrays = _arrays(file) if file.name in self.there else {}
        return arrays if HEADER in arrays and arrays.pop(HEADER).item() == self._header(chunk) else None

    def save(self, chunk: Chunk, arrays: Arrays) -> None:
        """Keep the state of a chunk instead of the one before."""
        file, sink = self._file(chunk), io.BytesIO()
        np.savez(sink, allow_pickle=False, **{HEADER: np.array(self._header(chunk))}, **arrays)
        with suppress(Overtaken):  # by another process that computes the same chunk
            put(file, sink.getvalue(), tag(file))
        self.there.add(file.name)

    def remove(self, chunk: Chunk) -> None:
        """Remove the state of a chunk, if there is one."""
        file = self._file(chunk)
        if file.name in self.there:
            remove(file)
            self.there.discard(file.name)

    def tidy(self) -> None:
        """Remove the states of chunks that are written: a process was killed between the two."""
        for name in sorted(self.there):
            if (self.path / name.removeprefix(STATE)).with_suffix(".parquet").exists():
                remove(self.path / name)
                self.there.discard(name)

    def _file(self, chunk: Chunk) -> Path:
        return self.path / f"{STATE}{stem(chunk)}.npz"

    def _header(self, chunk: Chunk) -> str:
        """Return what a state is of: the rows of a chunk but for how many, and what computes them."""
        whose = {name: text for name, text in origin(chunk).items() if name != "stop"}
        return json.dumps({**whose, **software(), **self.told(chunk)}, sort_keys=True)


def is_readable(file: Path) -> bool:
    """Whether a state can be read; one that is gone meanwhile, since its chunk is written, is nobody's fault."""
    return HEADER in _arrays(file) or not file.exists()


def _arrays(file: Path) -> Arrays:
    """Return what a file holds; nothing where it cannot be read."""
    try:
        with np.load(io.BytesIO(content(file)), allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return {}  # one flipped bit may say that an archive is encrypted, or packed in an unknown way
