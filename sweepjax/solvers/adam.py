"""Adam: steps of about the learning rate in every coordinate.

Source:
    Kingma, Ba (2014), arXiv 1412.6980.
"""

from typing import ClassVar

import optax

from sweepjax.solvers._optimiser import Optimiser
from sweepjax.types import parameter, plugin


@plugin
class Adam(Optimiser):
    """θ ← θ - η m̂/(√v̂ + ε), with running means m of the gradient and v of its square."""

    learning_rate: float = parameter(0.01, above=0, symbol="η")  # the length of a step; time is η times the steps
    b1: float = parameter(0.9, at_least=0, below=1, symbol="β₁")  # memory of the mean of the gradient
    b2: float = parameter(0.999, at_least=0, below=1, symbol="β₂")  # memory of the mean of its square
    eps: float = parameter(1e-8, at_least=0)  # added to the root of that mean
    batch_size: int = parameter(0, at_least=0)  # 0: all samples
    word: ClassVar[str] = "Adam"
    figures: ClassVar[tuple[str, ...]] = ("adam_plateau",)

    def optimizer(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate, self.b1, self.b2, self.eps)
