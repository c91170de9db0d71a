"""Lion: steps of exactly the learning rate, by the sign of a mean gradient.

Source:
    Chen et al. (2023), arXiv 2302.06675.
"""

from typing import ClassVar

import optax

from sweepjax.solvers._optimiser import Optimiser
from sweepjax.types import parameter, plugin


@plugin
class Lion(Optimiser):
    """θ ← θ - η (sign(b₁m + (1-b₁)∇L) + wθ), with m the running mean of the gradient at rate b₂."""

    learning_rate: float = parameter(0.001, above=0, symbol="η")  # the length of a step; time is η times the steps
    b1: float = parameter(0.9, at_least=0, below=1, symbol="β₁")  # memory of the gradient in a step
    b2: float = parameter(0.99, at_least=0, below=1, symbol="β₂")  # memory of the gradient between steps
    weight_decay: float = parameter(0.0, at_least=0)  # w
    batch_size: int = parameter(0, at_least=0)  # 0: all samples
    word: ClassVar[str] = "Lion"
    figures: ClassVar[tuple[str, ...]] = ("adam_plateau",)

    def optimizer(self) -> optax.GradientTransformation:
        return optax.lion(self.learning_rate, self.b1, self.b2, weight_decay=self.weight_decay)
