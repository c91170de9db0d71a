"""`sweepjax theory`: a curve of λ as CSV."""

from typing import Annotated

import typer

from . import _complete
from ._options import value


def theory(
    quantity: Annotated[
        str,
        typer.Argument(
            metavar="QUANTITY", help="separable_probability, margin, s_inf, ...", autocompletion=_complete.quantities
        ),
    ],
    lam: Annotated[str, typer.Option("--lambda", metavar="AXIS", help="λ = d/n, such as 0.4:0.6.")],
    n: Annotated[str, typer.Option(metavar="N", help="Samples, where the quantity depends on them.")] = "400",
    sigma: Annotated[str, typer.Option(metavar="S", help="Standard deviation of the samples.")] = "1",
) -> None:
    """Print an exact or asymptotic quantity as CSV: lam,value."""
    from sweepjax.plugins import unknown  # noqa: PLC0415
    from sweepjax.sweep.fields import LAM  # noqa: PLC0415
    from sweepjax.theory.quantities import QUANTITIES, evaluate  # noqa: PLC0415

    if quantity not in QUANTITIES:
        raise ValueError(unknown("quantity", quantity, [*QUANTITIES]))
    points = LAM.values("lam", lam)
    values = evaluate(quantity, points, n=value("--n", n, int), sigma=value("--sigma", sigma, float))
    typer.echo("lam,value")
    for point, height in zip(points, values, strict=True):  # type: ignore[arg-type]
        typer.echo(f"{point!r},{float(height)!r}")
