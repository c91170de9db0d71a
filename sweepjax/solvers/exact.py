"""The closed form of a model, evaluated at the recorded times: gradient flow without integrating it."""

from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sweepjax.types import Columns, Problem, Stage, plugin


@plugin
class Exact:
    """The model's own solution, prepared once and then evaluated at each recorded time."""

    clock: ClassVar[Literal["time", "step", "none"]] = "time"
    needs: ClassVar[str] = "solution"
    at_once: ClassVar[int] = 16

    @property
    def stages(self) -> tuple[Stage, ...]:
        return ()

    def init(self, problem: Problem) -> Any:
        return problem.model.prepare(problem.start, problem.data)

    def waits(self, state: Any, until: Float[Array, ""]) -> Int[Array, ""]:
        return jnp.int32(0)

    def params(self, problem: Problem, state: Any, time: Float[Array, ""]) -> Any:
        return problem.model.solution(state, time)

    def info(self, problem: Problem, state: Any) -> Columns:
        return {}
