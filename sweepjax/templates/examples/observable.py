import jax
import jax.numpy as jnp

import sweepjax as sj


@sj.plugin
class Mine:
    """The p-norm of all parameters together, (Σ |θ|^p)^(1/p)."""

    power: float = sj.parameter(4.0, above=0)  # on the command line: mine:Mine:power=1

    def measure(self, problem, moment):
        # problem: model, data, start, key. moment: time, params, and columns, the metrics of this time.
        total = sum(jnp.sum(jnp.abs(leaf) ** self.power) for leaf in jax.tree.leaves(moment.params))
        return total ** (1 / self.power)
