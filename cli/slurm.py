"""`sweepjax slurm`: a sweep as a batch script."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import _complete
from ._options import value
from .run import asked_sweep, parsed

if TYPE_CHECKING:
    from sweepjax.batch import Request
    from sweepjax.sweep.sweep import Sweep


# Options of `run` for which the script has values of its own: name, spelling, default, and what to do instead.
SAID_BY_THE_SCRIPT = (
    ("part", "--part", "1/1", "leave it out, and give --parts before the --"),
    ("out", "-o", None, "leave it out, and give the directory before the --"),
    ("plan", "--plan", False, "leave it out"),
    ("device", "--device", None, "leave it out, and give --gpus before the --"),
)


def slurm(  # noqa: PLR0913, PLR0917  one parameter an option
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the rows are, or will be.")],
    arguments: Annotated[
        list[str], typer.Argument(metavar="[-- ARGUMENTS]", help="Of `run`, for a DIR that it did not make yet.")
    ] = [],  # noqa: B006  Typer copies it
    system: Annotated[
        str, _complete.option("--system", "slurm|pbs|lsf|sge", "The batch system.", _complete.plugins("batch"))
    ] = "slurm",
    parts: Annotated[str, typer.Option(metavar="N", help="Jobs, each for one of N shares of the chunks.")] = "1",
    gpus: Annotated[str, typer.Option(metavar="G", help="GPUs of each job; 0: it computes on CPUs.")] = "1",
    time: Annotated[str, typer.Option(metavar="T", help="Time limit of each job, which then goes on.")] = "12:00:00",
    partition: Annotated[str | None, typer.Option(metavar="P", help="The partition, or the queue.")] = None,
    cpus: Annotated[str | None, typer.Option(metavar="C", help="CPUs of each job.")] = None,
    memory: Annotated[str | None, typer.Option(metavar="M", help="Memory of each job, such as 16G.")] = None,
    account: Annotated[str | None, typer.Option(metavar="A", help="The account, or the project.")] = None,
    qos: Annotated[str | None, typer.Option(metavar="Q", help="SLURM's quality of service.")] = None,
    constraint: Annotated[str | None, typer.Option(metavar="C", help="Features of the nodes, as in a100|h100.")] = None,
    gres: Annotated[
        str | None, typer.Option(metavar="R", help="Generic resources in the place of --gpus, as in gpu:a100:1.")
    ] = None,
    prologue: Annotated[
        list[str],
        typer.Option(metavar="LINE", help="A first line, such as 'module load cuda'; repeatable."),
    ] = [],  # noqa: B006  Typer copies it
    container: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Run inside an Apptainer image that holds sweepjax.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="WORKERS", help="Dask workers of each SLURM job; GPUs and CPUs are for each."),
    ] = None,
) -> None:
    """Print a batch script: `sweepjax slurm DIR --parts 64 | sbatch`.

    Other systems: --system pbs | qsub, --system lsf | bsub, --system sge | qsub.

    It goes on with the sweep of DIR, or does what the arguments of `run` say: sweepjax slurm DIR -- --preset margins
    """
    from sweepjax.batch import Request, script  # noqa: PLC0415
    from sweepjax.store import paths  # noqa: PLC0415

    request = Request(
        parts=_count("--parts", parts),
        gpus=_count("--gpus", gpus, least=0),
        time=time,
        partition=partition,
        cpus=None if cpus is None else _count("--cpus", cpus),
        memory=memory,
        account=account,
        workers=0 if dask is None else _count("--dask", dask),
        qos=qos,
        constraint=constraint,
        gres=gres,
        prologue=tuple(prologue),
        container=container,
    )
    path = paths.locate(directory).absolute()
    sweep = _understood(arguments, request) if arguments else _recorded(path, request.parts)
    typer.echo(script(system, sweep, str(path), request), nl=False)


def _count(option: str, text: str, *, least: int = 1) -> int:
    count = value(option, text, int)
    if count < least:
        raise ValueError(f"{option} {text} is not allowed; give a whole number from {least}")
    return count


def _understood(arguments: list[str], request: "Request") -> list[str]:
    """Return the arguments, once `run` is known to understand them: a job may wait long before it tells.

    What a container holds, such as a model of one's own, may not be here: then names and values are for the job to see.
    """
    options = parsed(list(arguments), "sweepjax run")
    for name, option, usual, advice in SAID_BY_THE_SCRIPT:
        if options[name] != usual:
            raise ValueError(f"{option} among the arguments of `run` is for the script to say; {advice}")
    for name in ("executor", "scheduler", "workers", "checkpoint") if request.workers else ():
        if options[name] not in (None, "local"):
            raise ValueError(f"--{name} among the arguments of `run` does not go with --dask; leave one of them out")
    for name in ("target_se", "adaptive"):
        if options[name] is not None:
            _check_alone(f"--{name.replace('_', '-')}", request.parts)
    if not request.container:
        _check_alone_if_adaptive(asked_sweep(options), "the sweep", request.parts)
    return arguments


def _check_alone(what: str, parts: int) -> None:
    """Refuse parts where all rows decide how many more there are."""
    if parts > 1:
        raise ValueError(f"{what} needs the rows of every part; leave --parts out")


def _check_alone_if_adaptive(sweep: "Sweep", what: str, parts: int) -> None:
    from sweepjax.sweep.adaptive import Adaptive  # noqa: PLC0415

    if isinstance(sweep, Adaptive):
        _check_alone(f"{what} is adaptive, and", parts)


def _recorded(directory: Path, parts: int) -> list[str]:
    """Return the argument that goes on with the sweep of a directory."""
    from sweepjax.store.directory import RECORD  # noqa: PLC0415
    from sweepjax.store.store import Store  # noqa: PLC0415

    if not (directory / RECORD).exists():
        raise ValueError(f"{directory} holds no sweep yet; say which by the arguments of `run`, after --")
    store = Store.open(directory)
    if store.unplugged:
        raise ValueError(store.unplugged)
    _check_alone_if_adaptive(store.sweep, str(directory), parts)
    return [str(directory / RECORD)]
