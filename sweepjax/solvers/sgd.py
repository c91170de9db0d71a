"""Stochastic gradient descent with momentum.

Source:
    Polyak (1964), USSR Comput. Math. Math. Phys. 4, 1.
"""

from typing import ClassVar

import optax

from sweepjax.solvers._optimiser import Optimiser
from sweepjax.types import parameter, plugin


@plugin
class Sgd(Optimiser):
    """v ← μv + ∇L(θ), θ ← θ - ηv, on a fresh batch in each step."""

    learning_rate: float = parameter(0.01, above=0, symbol="η")  # the length of a step; time is η times the steps
    momentum: float = parameter(0.9, at_least=0, below=1)  # μ, share of the last step that is kept
    batch_size: int = parameter(0, at_least=0)  # 0: all samples
    word: ClassVar[str] = "SGD"
    follows_gradient: ClassVar[bool] = True

    def optimizer(self) -> optax.GradientTransformation:
        return optax.sgd(self.learning_rate, self.momentum)
