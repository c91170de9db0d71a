"""`sweepjax theory`: a curve of λ, or what is known of the points of a model, as CSV."""

from typing import Annotated

import typer

from . import _complete
from ._options import pairs, value


def theory(
    quantity: Annotated[
        str,
        typer.Argument(
            metavar="QUANTITY",
            help="separable_probability, margin, s_inf, ..., or a model.",
            autocompletion=_complete.quantities,
        ),
    ],
    lam: Annotated[str | None, typer.Option("--lambda", metavar="AXIS", help="λ = d/n, such as 0.4:0.6.")] = None,
    n: Annotated[str | None, typer.Option(metavar="N", help="Samples; default 400, or the model's.")] = None,
    sigma: Annotated[
        str | None, typer.Option(metavar="S", help="Standard deviation of the samples; default 1, or the model's.")
    ] = None,
    fields: Annotated[
        list[str], _complete.option("--set", "FIELD=AXIS", "Any field of a model; repeatable.", _complete.fields)
    ] = [],  # noqa: B006  Typer copies it
) -> None:
    """Print an exact or asymptotic quantity as CSV, lam,value; or all that is known of a model beforehand."""
    from sweepjax.oracle import knowing  # noqa: PLC0415
    from sweepjax.plugins import names, unknown  # noqa: PLC0415
    from sweepjax.theory.quantities import QUANTITIES  # noqa: PLC0415

    axes = {name: text for name, text in {"lam": lam, "n": n, "sigma": sigma}.items() if text is not None}
    if quantity in QUANTITIES:
        if fields:
            raise ValueError(f"--set is for models, and {quantity} depends on lambda, n and sigma; leave it out")
        _print_curve(quantity, axes)
    elif quantity in names("models") or ":" in quantity:
        _print_known(quantity, axes | pairs(fields, "FIELD=AXIS"))
    else:
        raise ValueError(unknown("quantity", quantity, [*QUANTITIES, *knowing()]))


def _print_curve(quantity: str, axes: dict[str, str]) -> None:
    """Print a quantity at every λ."""
    from sweepjax.sweep.fields import LAM  # noqa: PLC0415
    from sweepjax.theory.quantities import evaluate  # noqa: PLC0415

    if "lam" not in axes:
        raise ValueError(f"{quantity} is a curve of lambda; give --lambda, such as 0.4:0.6")
    points = LAM.values("lam", axes["lam"])
    n, sigma = value("--n", axes.get("n", "400"), int), value("--sigma", axes.get("sigma", "1"), float)
    heights = list(evaluate(quantity, points, n=n, sigma=sigma))  # type: ignore[arg-type]
    typer.echo("lam,value")
    for point, height in zip(points, heights, strict=True):
        typer.echo(f"{point!r},{float(height)!r}")


def _print_known(model: str, axes: dict[str, str]) -> None:
    """Print what a model knows of its own points."""
    from sweepjax.oracle import table  # noqa: PLC0415

    lines = table(model, axes)
    if not lines:
        raise ValueError(f"model {model!r} knows nothing of these points beforehand; run them")
    names = list(dict.fromkeys(name for line in lines for name in line))
    typer.echo(",".join(names))
    for line in lines:
        typer.echo(",".join(str(line.get(name, "")) for name in names))
