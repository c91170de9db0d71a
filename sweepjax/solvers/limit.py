"""The limit t → ∞ without walking there, each row with its certificate.

Gradient descent with a bias ends at S_∞ = argmin Σ exp(x_i·S) when no half-space holds all
points, whatever the training loss; otherwise its direction tends to that of the hard margin.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax.custom_batching import sequential_vmap
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._flat import alike
from sweepjax.solvers._limit.answer import MARGIN_GAP, Answer, answer, columns
from sweepjax.solvers._limit.stages import DONE, STAGES, Rows, State, rows_of, start
from sweepjax.tolerances import Unlike
from sweepjax.types import Claim, Columns, Problem, Stage, plugin

RESIDUAL = 1e-6
GAP = "largest gap between the bounds of a certified margin"
# What moving the data by an ulp or two does to ‖S_∞‖ and its like, and to a margin, and ten times more.
PROJECTIONS = ("positive_mean", "negative_mean", "max_projection", "min_projection")
MINIMUM = ("s_norm", "loss_inf", "relaxation_rate", *PROJECTIONS)
SOFT = Unlike(2e-7, {"relaxation_rate": 1, "sigma": -2})
NARROW = Unlike(1e-6, {"margin": 1, "sigma": -1})
SLOPE = "largest residual ‖Σ p_i x_i‖ of a certified minimum"


@plugin
class Limit:
    """S_∞ of inseparable draws, the hard margin of separable ones."""

    clock: ClassVar[Literal["time", "step", "none"]] = "none"
    needs: ClassVar[str] = "signed_rows"
    figures: ClassVar[tuple[str, ...]] = ("s_norm_and_margin", "separable_fraction")
    absent: ClassVar[Mapping[str, float]] = {"s_norm": math.inf, "loss_inf": 0.0, "margin": 0.0, "relaxation_rate": 0.0}
    claims: ClassVar[tuple[Claim, ...]] = (
        Claim("certified", True, "Every row is certified"),
        Claim("margin_gap", MARGIN_GAP, "Margins are proved to 10⁻⁶", GAP),
        Claim("residual", RESIDUAL, "‖S_∞‖ is taken at the minimum", SLOPE),
    )
    pads: ClassVar[bool] = True
    unlike: ClassVar[Mapping[str, Unlike]] = dict.fromkeys(MINIMUM, SOFT) | {"margin": NARROW}
    effort: ClassVar[tuple[str, ...]] = ("iterations", "residual", "margin_gap", "support_vectors")

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(map(_on_rows, STAGES))

    def view(self, problem: Problem) -> Rows:
        return rows_of(problem.model.signed_rows(problem.data), problem.used)

    def init(self, problem: Problem) -> State:
        n, d = jax.eval_shape(problem.model.signed_rows, problem.data).shape
        return start(n, d, problem.used)

    def waits(self, state: State, until: Float[Array, ""]) -> Int[Array, ""]:
        return state.stage

    def params(self, problem: Problem, state: State, time: Float[Array, ""]) -> Any:
        return None

    def direction(self, x: Float[Array, "n d"]) -> Float[Array, " d"]:
        """Return S_∞ of the rows x or, where they are separable, the direction in which S grows."""
        return _direction(x)[0]

    def separator(self, x: Float[Array, "n d"]) -> Float[Array, " d"]:
        """Return the direction s with the least max s·x_i, which is below 0; nan where that is not certified."""
        direction, certified = _direction(x)
        return jnp.where(certified, direction, jnp.nan)

    def info(self, problem: Problem, state: State) -> Columns:
        return columns(problem.view, answer(problem.view, state))


def solve_limit(x: Float[Array, "n d"]) -> Answer:
    """Decide whether the rows are separable from the origin, and solve what exists."""
    rows = rows_of(x)
    branches = [lambda state, stage=stage: alike(stage(rows, state), state) for stage in STAGES]
    state = jax.lax.while_loop(
        lambda state: state.stage < DONE,
        lambda state: jax.lax.switch(state.stage, branches, state),
        start(x.shape[0], x.shape[1]),
    )
    return answer(rows, state)


@sequential_vmap
def _direction(x: Float[Array, "n d"]) -> tuple[Float[Array, " d"], Bool[Array, ""]]:
    """Return the direction of the rows, and whether it is a certified margin's.

    One dataset is solved after the other: side by side all would wait for the slowest.
    """
    found = solve_limit(x)
    return found.direction, found.separable & found.certified


def _on_rows(stage: Any) -> Stage:
    return lambda problem, state, until: stage(problem.view, state)
