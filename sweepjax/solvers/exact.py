"""The closed form of a model, evaluated at the recorded times: gradient flow without integrating it."""

from typing import Any, ClassVar, Literal

import jax

from sweepjax.types import Columns, Problem, plugin


@plugin
class Exact:
    """The model's own solution, from its start to each recorded time at once."""

    clock: ClassVar[Literal["time", "step", "none"]] = "time"
    needs: ClassVar[str] = "solution"

    def init(self, problem: Problem) -> tuple[()]:
        return ()

    def solve(self, problem: Problem, state: tuple[()], times: Any, measure: Any) -> tuple[tuple[()], Columns]:
        path = problem.model.solution(problem.start, problem.data, times)
        return state, jax.vmap(measure)(path)

    def info(self, problem: Problem, state: tuple[()]) -> Columns:
        return {}
