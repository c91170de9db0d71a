"""Every model of ours with every solver of ours: either they go together, or the model lacks an ability."""

import pytest

from sweepjax.plugins import names
from sweepjax.sweep.sweep import Sweep


@pytest.mark.parametrize("solver", [name for name in names("solvers") if name != "limit"])
@pytest.mark.parametrize("model", names("models"))
def test_no_two_of_ours_have_fields_that_clash(model, solver):
    assert said(model, solver) in ("", f"solver {solver!r} needs")


def said(model, solver):
    """The beginning of what is said against a pair."""
    try:
        Sweep.from_toml({"model": model, "solver": solver, "until": 1.0})
    except ValueError as error:
        return " ".join(str(error).split()[:3])
    return ""
