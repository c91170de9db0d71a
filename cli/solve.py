"""`sweepjax solve`: where a mean crosses a value."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._errors import COMPLETE, UNFINISHED, say
from ._fill import filled, opened
from ._options import pairs, value
from .run import asked, parsed

if TYPE_CHECKING:
    from sweepjax.solve import Line, Sample, Search

    from ._how import How


SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}  # they are options of `run`
EXAMPLE = "sweepjax solve separable=0.5 --over lam=0.4:0.6 --se 0.001"
WHY = "which decides round by round how many draws go where"


def solve(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="COLUMN=VALUE", help="The mean, and what it is to be.")],
    over: Annotated[str, typer.Option(metavar="FIELD=A:B", help="The field to solve for, and between which values.")],
    se: Annotated[str, typer.Option(metavar="S", help="The standard error of the crossing point.")],
    most: Annotated[str, typer.Option("--max-rows", metavar="R", help="Rows at most; default 1000000.")] = "1000000",
) -> int:
    """Find where the mean of a column crosses a value, and print the point and its interval at 95 %.

    As in: sweepjax solve separable=0.5 --over lam=0.4:0.6 --se 0.001

    Draws are put where they tell most, in rounds that are chosen from earlier rounds alone. All other options are
    those of `run`, and all other fields have one value. Each point is a run of its own, with a seed of its own, in a
    directory below -o; the same command again goes on.
    """
    from sweepjax.run import default_directory  # noqa: PLC0415
    from sweepjax.solve import Goal, Line, Search, Unsolved  # noqa: PLC0415
    from sweepjax.store.paths import locate  # noqa: PLC0415
    from sweepjax.target import Target  # noqa: PLC0415

    column, wanted = _pair("COLUMN=VALUE", target)
    field, span = _pair("--over", over)
    field = "lam" if field == "lambda" else field
    options = parsed(context.args, "sweepjax solve")
    _refuse(options, field)
    sweep, how, out = asked(options)
    points = Line.of(sweep, field, span)
    goal = Goal(value(column, wanted, float), points.low, points.high, value("--se", se, float), points.snapped)
    Target(column, goal.se, sweep.realizations).check(points.at(points.low))
    search, rows = Search(goal), value("--max-rows", most, int)
    if rows < sum(search.wanted().values()):
        raise ValueError(f"--max-rows {most} is not allowed, since the first round has more; give 1000 or more")
    home = locate(out or f"{default_directory(sweep.replaced(**{field: span}))}-solve")
    draws = _Draws(points, how, home, column)
    try:
        done = _searched(search, draws, rows, field)
    except Unsolved as error:
        say(f"{error} ({home} keeps {draws.rows} rows)")
        return UNFINISHED
    if search.window is None:
        so_far = f"after {draws.rows} rows the mean is {search.ends}"
        say(f"{so_far}; give more --max-rows to go on with {home}, or other ends")
        return UNFINISHED
    found, (low, high) = search.crossing, search.interval
    typer.echo(f"{field},low,high\n{found.x!r},{low!r},{high!r}")
    if not done:
        enough = math.ceil(draws.rows * max(1.2, (found.se / goal.se) ** 2))
        so_far = f"the standard error is {found.se:.3g} after {draws.rows} rows"
        say(f"{so_far}; give --max-rows {enough} or more to go on with {home}")
    return COMPLETE if done and not draws.unfinished else UNFINISHED


def _refuse(options: dict[str, Any], field: str) -> None:
    """Refuse what the search decides itself, and what a run alone can do."""
    from sweepjax.sweep.fields import as_typed  # noqa: PLC0415

    decided = {"realizations": None, "max_realizations": None, "target_se": None, "adaptive": None, "part": "1/1"}
    for name, usual in decided.items():
        if options[name] != usual:
            raise ValueError(f"--{name.replace('_', '-')} does not go with `solve`, {WHY}; leave it out")
    if options["plan"]:
        raise ValueError(f"--plan does not go with `solve`, {WHY}; leave it out, and bound the rows by --max-rows")
    if options.get(field) is not None or field in pairs(options["fields"], "FIELD=AXIS"):
        raise ValueError(f"--{as_typed(field)} is given by --over; leave it out")


def _searched(search: "Search", draws: "_Draws", rows: int, field: str) -> bool:
    """Draw round by round, the last of them cut to the rows that are left; return whether the goal is reached."""
    while more := search.wanted():
        allowed = draws.cut(more, rows)
        if not allowed:
            return False
        search.take({x: draws.sample(x, count) for x, count in allowed.items()})
        _say(search, field, draws.rows)
    return True


class _Draws:
    """The runs of the points, each in a directory of its own."""

    def __init__(self, points: "Line", how: "How", home: Path, column: str) -> None:
        self.points, self.how, self.home, self.column = points, how, home, column
        self.counts, self.unfinished = dict[float, int](), False
        self.shares = dict[float, float]()  # of the rows of a point, those in which the column exists

    @property
    def rows(self) -> int:
        """The rows of all points."""
        return sum(self.counts.values())

    def cut(self, wanted: dict[float, int], rows: int) -> dict[float, int]:
        """Return the rows of a round, or what of them may be drawn, were all points to have so many rows together."""
        more = {x: self._rows(x, count) - self.counts.get(x, 0) for x, count in wanted.items()}
        share = min(1.0, (rows - self.rows) / sum(more.values()))
        return {x: self.counts.get(x, 0) + int(share * extra) for x, extra in more.items() if int(share * extra)}

    def _rows(self, x: float, draws: int) -> int:
        """Return how many rows a point is to have so that the column exists in about so many, one more at least."""
        share = self.shares.get(x, min(self.shares.values(), default=1.0))
        return max(math.ceil(draws / share), self.counts.get(x, 0) + 1)

    def sample(self, x: float, count: int) -> "Sample":
        """Draw so many realizations at a point; those that are stored are not drawn again."""
        from sweepjax.solve import sampled  # noqa: PLC0415

        order = [*self.counts, x].index(x)
        self.counts[x] = count
        one = self.points.at(x, order).replaced(realizations=count)
        store = opened(one, self.how, self.home / f"{self.points.field}-{x:.12g}")
        self.unfinished |= bool(filled(store, one, self.how).failed)
        found = sampled(store, self.column, count)
        self.shares[x] = found.draws / count
        return found


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, rest = (word.strip() for word in text.partition("="))
    if name.startswith("-"):
        raise ValueError(f"{name} stands before {option}; begin with that, as in: {EXAMPLE}")
    if not (name and equals and rest):
        raise ValueError(f"{option} {text!r} is not understood; write it as NAME=VALUE, as in separable=0.5")
    return name, rest


def _say(search: "Search", field: str, rows: int) -> None:
    if search.window is None:
        return
    found: Any = search.crossing
    say(f"{rows} rows: {field} {found.x:.6g} ± {found.se:.2g}")
