"""The time of the flow of a loss whose logarithm is descended, which no number holds but its own logarithm.

Source:
    Lyu, Jin, Li, Du, Lee, Hu, arXiv 2311.18817, appendix on training without weight decay.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sweepjax.types import Moment, Problem, Trajectory, plugin

COLUMN = "log_train_loss"


@plugin
class LogFlowTime:
    """log t, t = ∫ ds/L: a step of length η on log L is one of length η/L on L; -inf at the start.

    Between two records log L is taken to be linear. Where the loss itself is descended t is the column `time`. L is
    without the penalty, so that with weight decay t is that of no flow.
    """

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, ""]:
        if COLUMN not in moment.columns:
            raise ValueError(
                f"observable 'log_flow_time' needs the column {COLUMN}, which this model lacks; leave it out"
            )
        return jnp.asarray(moment.columns[COLUMN], jnp.float64)

    def finish(self, problem: Problem, trajectory: Trajectory) -> Float[Array, " t"]:
        if "time" not in trajectory.clock:
            raise ValueError("observable 'log_flow_time' needs a solver with a learning_rate or a flow; leave it out")
        time = trajectory.clock["time"]
        if getattr(problem.model, "loss", "") != "normalized":
            return jnp.log(time)
        speed = -trajectory.kept  # log dt/ds
        change = jnp.abs(jnp.diff(speed))
        mean = jnp.where(change > 1e-6, -jnp.expm1(-change) / jnp.maximum(change, 1e-6), 1 - change / 2)
        pieces = jnp.log(jnp.diff(time)) + jnp.maximum(speed[1:], speed[:-1]) + jnp.log(mean)
        return jnp.concatenate([jnp.full(1, -jnp.inf), lax.cumlogsumexp(pieces)])
