"""Compiled programs on disk, each of them whole or not there.

JAX writes a program into the file from which others read it. A process that is killed meanwhile leaves half of one,
which every later process fails to read, compiles again and never replaces. Nor can a program that JAX has read be
written again: that would be one without its functions.
"""

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jax._src import compilation_cache, lru_cache  # no public spelling


class WholeFiles(lru_cache.LRUCache):
    """JAX's cache, where it has no size at which it evicts: that one has a lock of its own."""

    def get(self, key: str) -> bytes | None:
        """Return a program, if there is one."""
        return None if _aside() else super().get(key)

    def put(self, key: str, value: bytes) -> None:
        """Keep a program. JAX calls it only if it found none or could not read what it found: that is replaced."""
        if _aside():
            return
        if self.eviction_enabled:
            super().put(key, value)
            return
        write_whole(self.path / f"{key}-cache", value)


def write_whole(file: Any, content: bytes) -> None:
    """Write a file beside its place and put it there, or leave nothing; its path is of pathlib's kind."""
    partial = file.with_name(f"{file.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        partial.write_bytes(content)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def keep_whole() -> None:
    """Let JAX write its programs so from now on."""
    compilation_cache.get_file_cache = _opened


@contextmanager
def aside() -> Iterator[bool]:
    """Let this thread compile as if nothing were kept, and say whether it does: not if JAX had its own cache before."""
    _thread.aside = True
    try:
        yield isinstance(compilation_cache._cache, WholeFiles | None)
    finally:
        _thread.aside = False


_thread = threading.local()


def _aside() -> bool:
    return getattr(_thread, "aside", False)


def _opened(path: str) -> tuple[WholeFiles, str]:
    limit = compilation_cache.config.compilation_cache_max_size.value
    return WholeFiles(path, max_size=limit), path
