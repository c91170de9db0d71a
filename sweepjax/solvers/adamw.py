"""Adam with decoupled weight decay.

Source:
    Loshchilov, Hutter (2017), arXiv 1711.05101.
"""

from typing import Any, ClassVar

import jax.numpy as jnp
import optax

from sweepjax.solvers._optimiser import Optimiser
from sweepjax.types import parameter, plugin


@plugin
class Adamw(Optimiser):
    """θ ← θ - η (m̂/(√v̂ + ε) + wθ), with the means of Adam and weight decay w.

    Over the first `warmup` steps η grows linearly to its value; the column `time` is that of η all along.
    """

    learning_rate: float = parameter(0.01, above=0, symbol="η")  # the length of a step; time is η times the steps
    b1: float = parameter(0.9, at_least=0, below=1, symbol="β₁")  # memory of the mean of the gradient
    b2: float = parameter(0.999, at_least=0, below=1, symbol="β₂")  # memory of the mean of its square
    eps: float = parameter(1e-8, at_least=0)  # added to the root of that mean
    weight_decay: float = parameter(0.01, at_least=0)  # w
    batch_size: int = parameter(0, at_least=0)  # 0: all samples
    warmup: float = parameter(0.0, at_least=0, later=True)  # steps in which η grows to its value
    word: ClassVar[str] = "AdamW"
    figures: ClassVar[tuple[str, ...]] = ("adam_plateau",)

    def optimizer(self) -> optax.GradientTransformation:
        return optax.adamw(self._rate, self.b1, self.b2, self.eps, weight_decay=self.weight_decay)

    def _rate(self, count: Any) -> Any:
        """Return the learning rate of a step."""
        return self.learning_rate * jnp.minimum(1, (count + 1) / jnp.maximum(self.warmup, 1))
