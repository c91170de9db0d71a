"""Batch scripts: an array of parts, each of which goes on where it was when its time was up; one file a system."""

import re
import shlex
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from sweepjax.plugins import find, names, unknown

NOTICE, EARLY = 90, 60  # seconds before the time limit at which a part is told to stop; a system may be early
AGAIN = 99  # the exit code by which a part asks to be queued again, where a system has such a code
NAME = re.compile(r"[\w.+-]+(,[\w.+-]+)*", re.ASCII)
TIME = re.compile(r"(\d+-)?\d+(:\d+){0,2}", re.ASCII)
FEATURES = re.compile(r"[\w.+&|()*\[\]-]+", re.ASCII)
RESOURCES = re.compile(r"[\w.+-]+(:[\w.+-]+){0,2}(,[\w.+-]+(:[\w.+-]+){0,2})*", re.ASCII)
MEMORY = re.compile(r"[1-9]\d*[KMGT]?", re.ASCII)


HEED = """trap 'kill -USR1 "$run"' USR1 # the time is nearly up"""
HEED_AND_NOTE = """told=
trap 'told=1; kill -USR1 "$run"' USR1 # the time is nearly up"""
ASK = f"""\
# 130 is interrupted and resumable; 138 and 143 are the same before `run` had begun to listen. What ends a job for good
# does not tell it first.
if [ "$told" ]; then
    case $code in 130 | 138 | 143) code={AGAIN} ;; esac
fi
"""


@dataclass(frozen=True)
class Request:
    """What is asked for each part, as SLURM spells it; workers are those of Dask, none if the part computes itself."""

    parts: int = 1
    gpus: int = 1
    time: str = "12:00:00"
    partition: str | None = None
    cpus: int | None = None
    memory: str | None = None
    account: str | None = None
    workers: int = 0
    qos: str | None = None
    constraint: str | None = None
    gres: str | None = None  # generic resources in the place of GPUs, such as gpu:a100:1
    prologue: tuple[str, ...] = ()  # lines of the shell that prepare a node, such as "module load cuda"
    container: str | None = None  # an Apptainer image that holds sweepjax

    def __post_init__(self) -> None:
        _check("time", self.time, TIME, "give minutes, hours:minutes:seconds or days-hours")
        if any(int(part) > 59 for part in self.time.rpartition("-")[2].split(":")[1:]):
            raise ValueError(f"--time {self.time!r} is not allowed; give minutes and seconds up to 59")
        if 0 < self.seconds < NOTICE + EARLY + 30:
            why = f"leaves no time to compute: a job is told up to {NOTICE + EARLY} s before its limit to stop"
            raise ValueError(f"--time {self.time!r} {why}; give three minutes or more, or 0 for no limit")
        _check("memory", self.memory, MEMORY, "give a whole number and K, M, G or T, such as 16G")
        for name in ("partition", "account", "qos"):
            _check(name, getattr(self, name), NAME, "give a name as the batch system knows it")
        _check("constraint", self.constraint, FEATURES, "give names of features, such as a100|h100")
        _check("gres", self.gres, RESOURCES, "give a resource and how many, such as gpu:a100:1")
        for line in self.prologue:
            _check_line(line)
        if self.container and self.workers:
            raise ValueError("--container and --dask are both given; parts need no cluster, so leave --dask out")
        if self.workers and find_spec("distributed") is None:
            raise ValueError("--dask needs the package distributed; run: pip install 'sweepjax[dask]'")

    @property
    def seconds(self) -> int:
        """The limit, 0 for none, of minutes, [hours:]minutes:seconds or days-hours[:minutes[:seconds]]."""
        days, _, clock = self.time.rpartition("-")
        parts = [int(part) for part in clock.split(":")]
        if days or len(parts) == 3:
            hours, minutes, seconds = [*parts, 0, 0][:3]
        else:
            hours, minutes, seconds = [0, *parts, 0][:3]
        return ((24 * int(days or 0) + hours) * 60 + minutes) * 60 + seconds

    @property
    def mebibytes(self) -> int | None:
        """The memory in MiB, which is SLURM's unit where none is given."""
        if self.memory is None:
            return None
        size, unit = int(self.memory.rstrip("KMGT")), self.memory.lstrip("0123456789") or "M"
        return max(1, size * 1024 ** "KMGT".index(unit) // 1024)


class Job(NamedTuple):
    """How one batch system starts a part, and what it does after it."""

    directives: Sequence[str]
    part: str  # its number from 1, in the shell
    start: str = "{run}"
    before: str = ""
    after: str = ""
    heed: str = HEED


def script(system: str, arguments: Sequence[str], out: str, request: Request) -> str:
    """Return the batch script that runs a sweep in parts.

    The number of parts is written into it, so that any of them can be submitted again alone.

    Args:
        system: the batch system that it is for.
        arguments: those of `sweepjax run` that say what the sweep is.
        out: the directory of the rows, wherever the script is submitted.
        request: how many parts, and what each of them needs.
    """
    if system not in names("batch"):
        raise ValueError(unknown("system", system, names("batch")))
    job: Job = find("batch", system)(request)
    command = ["sweepjax", "run", "--device", "gpu" if request.gpus else "cpu", *arguments, "-o", out]
    if request.container:
        nvidia = ["--nv"] if request.gpus else []
        command = ["apptainer", "exec", *nvidia, request.container, *command]
    run = f'{shlex.join(command)} --part "{job.part}/{request.parts}"'
    return SCRIPT.format(
        directives="\n".join(job.directives),
        scripts=shlex.quote(sysconfig.get_path("scripts")),
        here=shlex.quote(str(Path.cwd())),
        before="".join(f"{line}\n" for line in request.prologue) + job.before,
        run=job.start.format(run=run),
        heed=job.heed,
        after=job.after,
    )


def clock(seconds: int) -> str:
    """Return a time as hours:minutes:seconds."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def slurm_alone(system: str, request: Request) -> None:
    """Refuse what only SLURM has."""
    if request.workers:
        advice = "leave it out: parts need no cluster"
        raise ValueError(f"--dask starts its workers by srun, which SLURM has and {system} has not; {advice}")
    for name in ("qos", "constraint", "gres"):
        if getattr(request, name) is not None:
            raise ValueError(f"--{name} is an option of SLURM that {system} has not; add its own line to the script")


def _check_line(line: str) -> None:
    """Refuse a line that would swallow those after it, or that a shell passes over."""
    if line.lstrip().startswith("#"):
        raise ValueError(f"--prologue {line!r} is a comment, and comes after the directives; give a command")
    if not line.strip() or not line.isprintable():
        raise ValueError(f"--prologue {line!r} is not understood; give one line of the shell")
    try:
        shlex.split(line, comments=True)
    except ValueError as error:
        raise ValueError(f"--prologue {line!r} is not understood ({error}); give one line of the shell") from None


def _check(name: str, text: str | None, pattern: re.Pattern[str], advice: str) -> None:
    if text is not None and not pattern.fullmatch(text):
        raise ValueError(f"--{name} {text!r} is not understood; {advice}")


SCRIPT = """\
#!/bin/bash
{directives}

export PATH={scripts}:"$PATH"
cd {here} || exit 1

{before}{run} &
run=$!
{heed}
trap 'kill -TERM "$run"' TERM # preempted, or cancelled
# A signal ends the waiting, not what is waited for.
until wait "$run"; code=$?; ! kill -0 "$run" 2> /dev/null; do :; done

{after}exit "$code"
"""
