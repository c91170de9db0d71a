"""`sweepjax reduce`: rows to the numbers of a figure."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import _complete
from ._errors import note
from ._options import check_result, checked_output, pairs, plugin_options, replaced, rows

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".parquet")


def reduce(  # noqa: PLR0913, PLR0917  one parameter an option
    directories: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...", help="Directories that `run` made.", autocompletion=_complete.plugins("reducers")
        ),
    ],
    reducer: Annotated[str, typer.Argument(metavar="REDUCER", help="See `sweepjax list reducers`.")],
    by: Annotated[str | None, typer.Option(metavar="A,B", help="Columns to group by; default: what varies.")] = None,
    column: Annotated[str | None, typer.Option(metavar="C", help="The column to reduce.")] = None,
    along: Annotated[
        str | None, typer.Option(metavar="FIELD", help="The field whose values are compared, by `difference`.")
    ] = None,
    options: Annotated[
        list[str],
        _complete.option("--set", "OPTION=VALUE", "Any option of the reducer; repeatable.", _complete.options),
    ] = [],  # noqa: B006  Typer copies it
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="A .csv or .parquet file.")] = None,
) -> None:
    """Reduce rows to a table with standard errors.

    On stdout with six digits, or in full precision in a file.
    """
    from sweepjax.plugins import find  # noqa: PLC0415

    target = out and checked_output(out, SUFFIXES)
    cls = find("reducers", reducer)
    given = {"by": by, "column": column, "along": along}
    texts = pairs(options, "OPTION=VALUE")
    for name, text in given.items():
        if text is not None and name in texts:
            raise ValueError(f"{name} is given by --{name} and by --set; give it once")
    texts |= {name: text for name, text in given.items() if text is not None}
    texts |= {name: _columns(texts[name]) for name in given if name in texts}
    with rows(directories) as data:
        table = cls(**plugin_options(reducer, cls, texts))(data)
    check_result(cls, table, "to_string", "a pandas DataFrame")
    if target:
        _write(table, target)
        return
    typer.echo(table.to_string(index=False, float_format="{:.6g}".format))
    for name, value in table.attrs.items():
        note(value if isinstance(value, str) else f"{name} = {value:.6g}")


def _columns(text: str) -> str:
    """Return names of columns, joined by commas: λ is typed lambda, and lam in tables."""
    return ",".join("lam" if name.strip() == "lambda" else name for name in text.split(","))


def _write(table: "pd.DataFrame", path: Path) -> None:
    with replaced(path) as partial:
        if path.suffix == ".csv":
            table.to_csv(partial, index=False)
        else:
            table.to_parquet(partial, index=False)
    typer.echo(path)
