"""The command line in a process that dies at one step of the write of one chunk: mortal.py STEP CHUNK ARGUMENTS..."""

import os
import signal
import sys
from pathlib import Path

from sweepjax_cli import app

from sweepjax.store import disk, store

STEPS = [
    f"{when} {what}"
    for what in ("encode", "open", "write", "flush", "fsync", "replace", "unlink", "sync_names")
    for when in ("before", "during", "after")
    if when != "during" or what == "write"
]


class Mortal:
    """Counts the writes of chunks, and kills the process at a step of one of them."""

    def __init__(self, step, chunk):
        self.step, self.chunk, self.writes = step, chunk, 0

    def reach(self, step):
        if self.writes == self.chunk and step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, step, function):
        def wrapped(*arguments, **options):
            self.reach(f"before {step}")
            result = function(*arguments, **options)
            self.reach(f"after {step}")
            return result

        return wrapped

    def counted(self, encode):
        def wrapped(*arguments):
            self.writes += 1
            return encode(*arguments)

        return wrapped

    def opening(self, opened):
        return self.around("open", lambda *arguments: Writer(self, opened(*arguments)))


class Writer:
    """A file that is opened to write, every step of which can be the last."""

    def __init__(self, mortal, file):
        self.mortal, self.file = mortal, file
        self.flush, self.fileno = mortal.around("flush", file.flush), file.fileno

    def write(self, content):
        self.mortal.reach("before write")
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        self.mortal.reach("during write")
        self.file.write(content[len(content) // 2 :])
        self.mortal.reach("after write")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()


def arm(mortal):
    """Put the steps of a write in the hands of `mortal`."""
    store.encode = mortal.counted(mortal.around("encode", store.encode))
    disk._sync_names = mortal.around("sync_names", disk._sync_names)
    os.fsync = mortal.around("fsync", os.fsync)
    Path.replace, Path.unlink = mortal.around("replace", Path.replace), mortal.around("unlink", Path.unlink)
    opened = Path.open

    def opening(path, mode="r", **options):
        if mode != "xb":
            return opened(path, mode, **options)
        return mortal.opening(opened)(path, mode)

    Path.open = opening


if __name__ == "__main__":
    arm(Mortal(sys.argv[1], int(sys.argv[2])))
    sys.exit(app(sys.argv[3:]))
