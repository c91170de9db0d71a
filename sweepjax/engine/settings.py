"""The settings of JAX and LAPACK under which rows are computed, whatever a user has chosen for work of their own."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import lru_cache

import jax
from threadpoolctl import ThreadpoolController


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


def single_threaded() -> AbstractContextManager:
    """Keep LAPACK to one thread a call."""
    return _pools(len(sys.modules)).limit(limits=1, user_api="blas")


@lru_cache(maxsize=1)
def _pools(modules: int) -> ThreadpoolController:
    """Look for thread pools, in some milliseconds: again only where modules were imported, which may bring others."""
    return ThreadpoolController()
