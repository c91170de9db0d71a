"""A solver that is bad for whoever compiles it, at one dimension d."""

import os
import signal
import time
from pathlib import Path
from typing import ClassVar

import jax.numpy as jnp

from sweepjax.types import plugin


@plugin
class Poison:
    """Raises, dies or hangs when it is compiled for d = bad; `once`, the file that it writes, makes it do so once."""

    how: str = "raise"
    bad: int = 4
    once: str = ""
    clock: ClassVar[str] = "none"
    stages: ClassVar[tuple] = ()

    def init(self, problem):
        if problem.data.x.shape[1] == self.bad and not (self.once and Path(self.once).exists()):
            self.act()
        return ()

    def act(self):
        if self.once:
            Path(self.once).write_text(str(os.getpid()))
        if self.how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "hang":
            time.sleep(1000)
        raise ArithmeticError("poisoned")

    def waits(self, state, until):
        return 0

    def info(self, problem, state):
        return {"total": jnp.sum(problem.data.x, dtype=jnp.float64)}
