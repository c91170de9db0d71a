"""The settings of JAX under which rows are computed, whatever a user has chosen for work of their own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import jax


@contextmanager
def settled() -> Iterator[None]:
    """Give this thread the settings that rows are computed with, and its own back afterwards.

    NaN is data in a row, and no flag of the environment changes a number; the precision of products is the user's.
    """
    settings = (
        jax.enable_x64(True),
        jax.disable_jit(False),
        jax.debug_nans(False),
        jax.debug_infs(False),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        jax.transfer_guard("allow"),
    )
    with ExitStack() as entered:
        for setting in settings:
            entered.enter_context(setting)
        yield
