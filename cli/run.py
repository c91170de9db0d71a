"""`sweepjax run`: compute what is missing of a sweep, or say what it would take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import _complete, _how
from ._errors import COMPLETE, UNFINISHED, say
from ._fill import filled, finish, opened
from ._options import groups, pairs, value
from ._plan import print_plan
from ._rounds import run_adaptive, say_how_far

if TYPE_CHECKING:
    from sweepjax.sweep.sweep import Sweep

PLAIN = ("model", "solver", "record", "observe", "stop")


def run(  # noqa: PLR0913, PLR0917  one parameter an option
    file: Annotated[
        Path | None, typer.Argument(metavar="[SWEEP.toml]", help="A sweep to begin with, such as DIR/_sweep.toml.")
    ] = None,
    preset: Annotated[
        str | None, _complete.option("--preset", "NAME", "Start from a preset.", _complete.presets)
    ] = None,
    model: Annotated[
        str | None, _complete.option("--model", "M", "What is drawn and trained.", _complete.plugins("models"))
    ] = None,
    solver: Annotated[
        str | None, _complete.option("--solver", "S", "How it is trained.", _complete.plugins("solvers"))
    ] = None,
    lam: Annotated[str | None, typer.Option("--lambda", metavar="AXIS", help="λ = d/n; default 0.4:0.6.")] = None,
    n: Annotated[str | None, typer.Option(metavar="AXIS", help="Samples; default 400.")] = None,
    d: Annotated[str | None, typer.Option(metavar="AXIS", help="Features, instead of λ or n.")] = None,
    sigma: Annotated[
        str | None, typer.Option(metavar="AXIS", help="Standard deviation of the samples; default 1.")
    ] = None,
    seed: Annotated[str | None, typer.Option(metavar="AXIS", help="Seeds of the random numbers; default 0.")] = None,
    fields: Annotated[
        list[str],
        _complete.option("--set", "FIELD=AXIS", "Any field of model or solver; repeatable.", _complete.fields),
    ] = [],  # noqa: B006  Typer copies it
    zips: Annotated[
        list[str], typer.Option("--zip", metavar="A,B", help="Pair the values of these axes, as typed; repeatable.")
    ] = [],  # noqa: B006  Typer copies it
    realizations: Annotated[str | None, typer.Option(metavar="R", help="Draws of each point; default 100.")] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="The end, in the solver's clock.")] = None,
    record: Annotated[str | None, typer.Option(metavar="K|AXIS", help="How many times to record, or which.")] = None,
    observe: Annotated[
        str | None,
        _complete.option(
            "--observe", "A,B", "Extra columns, as in weight_norm,loss_slices:direction=end.", _complete.observables
        ),
    ] = None,
    stop: Annotated[
        str | None, typer.Option(metavar="'A>=a'", help="End a training early: 'A>=a and B<=b last K' recorded times.")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR|URL", help="Default: results/<name>.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what the sweep would take.")] = False,
    batch: Annotated[str, typer.Option(metavar="auto|B", help="Lanes in flight per device.")] = "auto",
    chunk: Annotated[str | None, typer.Option(metavar="ROWS", help="Rows computed and stored at a time.")] = None,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="How often rows under way are kept; default 60, 0: never.")
    ] = None,
    device: Annotated[
        str | None,
        _complete.option("--device", "cpu|gpu|tpu", "Default: the fastest there is.", lambda: [*_how.DEVICES]),
    ] = None,
    part: Annotated[str, typer.Option(metavar="K/N", help="Only the K-th of N shares of the chunks.")] = "1/1",
    executor: Annotated[
        str, _complete.option("--executor", "local|dask", "Where chunks are computed.", _complete.plugins("executors"))
    ] = "local",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS_OR_FILE", help="A Dask scheduler to join; default: our own.")
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(metavar="W", help="Processes that --executor dask starts; default: one for each core or GPU."),
    ] = None,
    target_se: Annotated[
        str | None, typer.Option(metavar="COLUMN=SE", help="Double the draws until each mean is known this well.")
    ] = None,
    adaptive: Annotated[
        str | None, typer.Option(metavar="COLUMN=SE", help="As many draws of each point as it needs for this.")
    ] = None,
    max_realizations: Annotated[
        str | None, typer.Option(metavar="R", help="The most draws for --target-se or --adaptive.")
    ] = None,
) -> int:
    """Run a sweep, or go on with one.

    The same command again computes only what is missing; more realizations extend a run.

    An AXIS is 0.4:0.6 (21 points), 0.4:0.6:0.05 (a step), 1:2@30 (a count), log:1e-3:1@30, or such joined by commas.
    """
    sweep, how, path = asked(locals())
    for note in sweep.notes():
        say(note)
    return print_plan(sweep, how) if plan else _compute(sweep, how, path)


def asked(options: dict[str, Any]) -> tuple["Sweep", _how.How, Path | None]:
    """Return the sweep that the options of `run` describe, how it is to be computed, and where it is to be kept."""
    sweep, workers = asked_sweep(options), {name: options[name] for name in ("scheduler", "workers", "device")}
    execute = _how.executor(options["executor"], workers)
    adaptive = _how.is_adaptive(options, sweep)
    how = _how.How(
        engine=_how.engine(options["batch"], options["device"]),
        execute=execute,
        part=_how.part(options["part"]),
        chunk=_how.chunk_rows(options["chunk"]),
        every=_how.every(options["checkpoint"], execute),
        target=None if adaptive else _how.target(options["target_se"], options["max_realizations"], sweep),
    )
    if adaptive:
        sweep, how = _how.adaptive(options, sweep, how)
    if how.target and how.part.of > 1:
        raise ValueError("--target-se needs the rows of every part; leave --part out")
    return sweep, how, options["out"] and Path(options["out"])


def asked_sweep(options: dict[str, Any]) -> "Sweep":
    """Return the sweep that the options of `run` describe."""
    from sweepjax.sweep.adaptive import uncounted  # noqa: PLC0415

    plain = {name: options[name] for name in ("lam", "n", "d", "sigma", "seed", *PLAIN)} | {
        "zip": groups(options["zips"])
    }
    numbers = {
        name: None if options[name] is None else value(f"--{name}", options[name], kind)
        for name, kind in (("realizations", int), ("until", float))
    }
    base = _base(options["file"] and Path(options["file"]), options["preset"])
    sweep = base.replaced(**_merged(plain | numbers, pairs(options["fields"], "FIELD=AXIS")))
    changed = sweep.id != base.id or sweep.realizations != base.realizations
    return uncounted(sweep) if changed else sweep


def parsed(arguments: list[str], command: str) -> dict[str, Any]:
    """Return the options of `run` among the arguments of another command."""
    alone = typer.Typer(rich_markup_mode=None)
    alone.command()(run)
    return typer.main.get_command(alone).make_context(command, arguments).params


def _merged(options: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
    """Return the options that were given, together with the fields that were set."""
    from sweepjax.sweep.fields import as_typed  # noqa: PLC0415
    from sweepjax.sweep.spelling import OPTIONS  # noqa: PLC0415

    given = {name: value for name, value in options.items() if value is not None}
    for name in fields:
        if name in OPTIONS:
            raise ValueError(f"--set {name}=... is not understood, since {name} is no field; give --{name}")
        if ("lam" if name == "lambda" else name) in given:
            raise ValueError(f"{name} is given twice, by --{as_typed(name)} and by --set; join its values by commas")
    return given | fields


def _base(file: Path | None, preset: str | None) -> "Sweep":
    """Return the sweep that the options change."""
    from sweepjax import presets  # noqa: PLC0415
    from sweepjax.store.paths import locate  # noqa: PLC0415
    from sweepjax.store.rounds import counted  # noqa: PLC0415
    from sweepjax.sweep.adaptive import sweep_of  # noqa: PLC0415
    from sweepjax.sweep.sweep import Sweep  # noqa: PLC0415

    if file and preset:
        raise ValueError(f"{file} and --preset {preset} are both given; give one of them")
    if preset is not None:
        return presets.preset(preset)
    if file is None:
        return Sweep()
    file = locate(file)
    if not file.is_file():
        raise ValueError(f"{file} {'is a directory' if file.is_dir() else 'does not exist'}; give a TOML file")
    try:
        return counted(file.parent, sweep_of(file.read_text(encoding="utf-8")))
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not text; give a TOML file") from None
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _compute(sweep: "Sweep", how: _how.How, out: Path | None) -> int:
    """Fill the directory of a sweep, round by round if there is a target, and print it."""
    from sweepjax.run import default_directory  # noqa: PLC0415
    from sweepjax.store.paths import locate  # noqa: PLC0415
    from sweepjax.sweep.adaptive import Adaptive  # noqa: PLC0415

    directory, code = locate(out or default_directory(sweep)), COMPLETE
    if isinstance(sweep, Adaptive):
        code = run_adaptive(sweep, how, directory)
        typer.echo(directory)
        return code
    for each in how.target.rounds(sweep) if how.target else [sweep]:
        store = opened(each, how, directory)
        shown = filled(store, each, how)
        code = finish(store, how, shown)
        if not how.target or shown.failed:
            break
        far = how.target.reached(store, each)
        say_how_far(how.target, far, each)
        if far.se <= how.target.se:
            break
        code = UNFINISHED
        if not far.exists:
            break
    typer.echo(directory)
    return code
