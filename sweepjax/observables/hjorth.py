"""How the training loss wiggles in its first steps: the spectral signature that is said to foretell grokking.

Source:
    Hjorth (1970), Electroencephalogr. Clin. Neurophysiol. 29, 306; Notsawo, Zhou, Pezeshki, Rish, Dumas (2023), arXiv
    2306.13253, who print the complexity as √(m₄/m₂).
"""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sweepjax.observables._path import require
from sweepjax.types import Moment, Problem, Trajectory, parameter, plugin

NAMES = ("activity", "mobility", "complexity", "printed_complexity")


@plugin
class Hjorth:
    """Activity, mobility and two complexities of the first losses, then those of their logarithm, a column [t 8].

    The signal y is the loss at steps 0 to `steps` - 1, less the straight line between its ends, without periods longer
    than `slowest` steps. The activity is var y, the mobility √(var y'/var y), the complexity the mobility of y' over
    that of y; the printed one is the mobility of y' itself. Values are known from the last of these steps on, and nan
    before, or where not every one of them is recorded.
    """

    steps: int = parameter(400, at_least=8)  # of the signal, from the first on
    slowest: int = parameter(25, at_least=2)  # period that is kept, in steps
    parts: ClassVar[tuple[str, ...]] = (*NAMES, *(f"log_{name}" for name in NAMES))

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, ""]:
        require("train_loss" in moment.columns, "a train_loss", observable=self, problem=problem)
        return moment.columns["train_loss"]

    def finish(self, problem: Problem, trajectory: Trajectory) -> Float[Array, "t 8"]:
        step, loss = trajectory.clock.get("step"), trajectory.kept.astype(jnp.float64)
        if step is None or len(step) < self.steps:
            what = f"observable 'hjorth' needs every step from 0 to {self.steps - 1}"
            raise ValueError(f"{what}; record them with --record 0:{self.steps}, or give it fewer with hjorth:steps=N")
        first = loss[: self.steps]
        found = jnp.concatenate([self._signature(first), self._signature(jnp.log(first))])
        every = jnp.all(step[: self.steps] == jnp.arange(self.steps))
        known = every & (jnp.arange(len(step)) >= self.steps - 1)
        return jnp.where(known[:, None], found, jnp.nan)

    def _signature(self, signal: Float[Array, " s"]) -> Float[Array, "4"]:
        count = self.steps
        line = signal[0] + (signal[-1] - signal[0]) * np.arange(count) / (count - 1)
        fast = np.fft.rfftfreq(count) >= 1 / self.slowest
        y = jnp.fft.irfft(jnp.where(fast, jnp.fft.rfft(signal - line), 0), count)
        activity, first, second = (jnp.var(jnp.diff(y, order)) for order in range(3))
        mobility, faster = jnp.sqrt(first / activity), jnp.sqrt(second / first)
        return jnp.stack([activity, mobility, faster / mobility, faster])
