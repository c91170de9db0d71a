"""`sweepjax run`: compute what is missing of a sweep, or say what it would take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._errors import COMPLETE, UNFINISHED, say
from ._options import pairs, value
from ._progress import Progress, progress
from ._report import aligned, duration, size, uncertified

if TYPE_CHECKING:
    from sweepjax.engine import Engine
    from sweepjax.grid import Sweep
    from sweepjax.plan import Plan
    from sweepjax.run import Part
    from sweepjax.store import Store

DEVICES = ("cpu", "gpu", "tpu")


def run(  # noqa: PLR0913, PLR0917  one parameter an option
    file: Annotated[Path | None, typer.Argument(metavar="[SWEEP.toml]", exists=True, dir_okay=False)] = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="Start from a preset.")] = None,
    model: Annotated[str | None, typer.Option(metavar="M", help="What is drawn and trained.")] = None,
    solver: Annotated[str | None, typer.Option(metavar="S", help="How it is trained.")] = None,
    lam: Annotated[str | None, typer.Option("--lambda", metavar="AXIS", help="λ = d/n; default 0.4:0.6.")] = None,
    n: Annotated[str | None, typer.Option(metavar="AXIS", help="Samples; default 400.")] = None,
    d: Annotated[str | None, typer.Option(metavar="AXIS", help="Features, instead of λ or n.")] = None,
    sigma: Annotated[str | None, typer.Option(metavar="AXIS", help="Standard deviation of the samples.")] = None,
    seed: Annotated[str | None, typer.Option(metavar="AXIS", help="Seeds of the random numbers.")] = None,
    fields: Annotated[
        list[str], typer.Option("--set", metavar="FIELD=AXIS", help="Any field of model or solver; repeatable.")
    ] = [],  # noqa: B006  Typer copies it
    realizations: Annotated[str | None, typer.Option(metavar="R", help="Draws of each point; default 100.")] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="The end, in the solver's clock.")] = None,
    record: Annotated[str | None, typer.Option(metavar="K|AXIS", help="How many times to record, or which.")] = None,
    observe: Annotated[str | None, typer.Option(metavar="A,B", help="Extra quantities to record.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Default: results/<name>.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what the sweep would take.")] = False,
    batch: Annotated[str, typer.Option(metavar="auto|B", help="Lanes in flight per device.")] = "auto",
    chunk: Annotated[str | None, typer.Option(metavar="ROWS", help="Rows computed and stored at a time.")] = None,
    device: Annotated[str | None, typer.Option(metavar="cpu|gpu|tpu", help="Default: the fastest there is.")] = None,
    part: Annotated[str, typer.Option(metavar="K/N", help="Only the K-th of N shares of the chunks.")] = "1/1",
) -> int:
    """Run a sweep, or go on with one.

    The same command again computes only what is missing; more realizations extend a run.

    An AXIS is 0.4:0.6 (21 points), 0.4:0.6:0.05 (a step), 1:2@30 (a count), log:1e-3:1@30, or such joined by commas.
    """
    axes = {"lam": lam, "n": n, "d": d, "sigma": sigma, "seed": seed}
    plain = {"model": model, "solver": solver, "record": record, "observe": observe}
    numbers = {
        "realizations": None if realizations is None else value("--realizations", realizations, int),
        "until": None if until is None else value("--until", until, float),
    }
    options = _merged(axes | plain | numbers, pairs(fields, "FIELD=AXIS"))
    sweep, share = _base(file, preset).replaced(**options), _part(part)
    engine, chunk_rows = _engine(batch, device), _chunk_rows(chunk)
    for note in sweep.notes():
        say(note)
    if plan:
        return _print_plan(sweep, engine, chunk_rows)
    return _compute(sweep, share, engine=engine, out=out, chunk=chunk_rows)


def _merged(options: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
    """Return the options that were given, together with the fields that were set."""
    from sweepjax.spelling import OPTIONS  # noqa: PLC0415

    given = {name: value for name, value in options.items() if value is not None}
    for name in fields:
        if name in OPTIONS:
            raise ValueError(f"--set {name}=... is not understood, since {name} is no field; give --{name}")
        if ("lam" if name == "lambda" else name) in given:
            raise ValueError(f"{name} is given twice, by --{name} and by --set; join its values by commas")
    return given | fields


def _base(file: Path | None, preset: str | None) -> "Sweep":
    """Return the sweep that the options change."""
    from sweepjax import presets  # noqa: PLC0415
    from sweepjax.grid import Sweep  # noqa: PLC0415

    if file and preset:
        raise ValueError(f"{file} and --preset {preset} are both given; give one of them")
    if preset is not None:
        return presets.preset(preset)
    if file is None:
        return Sweep()
    try:
        return Sweep.from_toml(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not text; give a TOML file") from None
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _part(text: str) -> "Part":
    from sweepjax.run import Part  # noqa: PLC0415

    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise ValueError(f"--part {text!r} is not understood; give K/N with 1 <= K <= N, such as 1/8")
    return Part(int(number), int(of))


def _engine(batch: str, device: str | None) -> "Engine":
    from sweepjax.engine import Engine  # noqa: PLC0415
    from sweepjax.plugins import unknown  # noqa: PLC0415

    if device is not None and device not in DEVICES:
        raise ValueError(unknown("device", device, [*DEVICES]))
    if batch != "auto" and not (batch.isdecimal() and int(batch) >= 1):
        raise ValueError(f"--batch {batch!r} is not understood; give auto, or a whole number from 1")
    return Engine(device or "", 0 if batch == "auto" else int(batch))


def _chunk_rows(text: str | None) -> int:
    """Return the rows of a chunk, 0 for the default."""
    rows = 0 if text is None else value("--chunk", text, int)
    if text is not None and rows < 1:
        raise ValueError(f"--chunk {text} is not allowed; give a whole number from 1")
    return rows


def _compute(sweep: "Sweep", part: "Part", *, engine: "Engine", out: Path | None, chunk: int) -> int:
    """Fill the directory of a sweep and print it."""
    from sweepjax.run import default_directory, fill, open_store, share  # noqa: PLC0415

    store = open_store(sweep, out or default_directory(sweep), chunk_rows=chunk, engine=engine)
    if chunk not in (0, store.chunk_rows):
        say(f"{store.path} keeps its chunks of {store.chunk_rows} rows; --chunk is for new directories")
    total = stored = 0
    for each in share(sweep, store.chunk_rows, part):
        total, stored = total + each.rows, stored + each.rows * (each in store)
    with progress(total, stored) as shown:
        fill(store, share(sweep, store.chunk_rows, part), engine=engine, watch=shown.watch)
    code = _finish(store, shown)
    typer.echo(store.path)
    return code


def _finish(store: "Store", shown: Progress) -> int:
    """Say what was done, and whether every row is certified."""
    doubtful = uncertified(store.path) if any(store.path.glob("*.parquet")) else 0
    before = f" ({shown.stored} of them stored before)" if shown.stored else ""
    speed = f" in {duration(shown.seconds)}, {shown.rate:.3g} rows/s" if shown.computed else ""
    say(f"{shown.total} rows{before}{speed}; {doubtful} uncertified")
    return UNFINISHED if doubtful else COMPLETE


def _print_plan(sweep: "Sweep", engine: "Engine", chunk: int) -> int:
    """Print what a sweep would take; nothing is made."""
    from sweepjax.plan import plan  # noqa: PLC0415

    say("timing a few rows of at most three families; nothing is stored")
    made: Plan = plan(sweep, engine=engine, chunk_rows=chunk)
    lines = [
        ("points", made.points),
        ("families", f"{made.families}, each compiled once"),
        ("chunks", f"{made.chunks} of at most {made.chunk_rows} rows"),
        ("rows", made.rows),
        ("batch", f"{made.batch_rows} rows: {made.devices} devices, {made.lanes} lanes on each"),
        ("memory", f"{size(made.batch_bytes)} a batch"),
        ("time", f"about {duration(made.compiling + made.computing)}, estimated from {made.pilots} families"),
        ("", f"{duration(made.compiling)} of it compiling, less what earlier runs have compiled"),
        ("disk", f"about {size(made.stored_bytes)}"),
    ]
    typer.echo(aligned(lines))
    return COMPLETE
