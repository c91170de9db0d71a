"""The linear predictor that a network stands for, at every recorded time."""

from jaxtyping import Array, Float

from sweepjax.observables._path import require
from sweepjax.types import Moment, Problem, plugin


@plugin
class Predictor:
    """The weights w [d] of a network whose output is w·x: as many numbers as there are features, at each time."""

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, " d"]:
        require(hasattr(problem.model, "predictor"), "predictor", observable=self, problem=problem)
        return problem.model.predictor(moment.params)

    def absolute(self, relative: float) -> float:
        return relative
