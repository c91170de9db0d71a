"""Batch scripts for SLURM: an array of parts, each of which goes on where it was when its time was up."""

import re
import shlex
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

NOTICE, EARLY = 90, 60  # seconds before the time limit at which a part is told to stop; SLURM may be early
NAME = re.compile(r"[\w.+-]+(,[\w.+-]+)*", re.ASCII)
TIME = re.compile(r"(\d+-)?\d+(:\d+){0,2}", re.ASCII)
MEMORY = re.compile(r"[1-9]\d*[KMGT]?", re.ASCII)


@dataclass(frozen=True)
class Request:
    """What is asked of SLURM for each part; workers are those of Dask, none if the part computes by itself."""

    parts: int = 1
    gpus: int = 1
    time: str = "12:00:00"
    partition: str | None = None
    cpus: int | None = None
    memory: str | None = None
    account: str | None = None
    workers: int = 0

    def __post_init__(self) -> None:
        _check("time", self.time, TIME, "give minutes, hours:minutes:seconds or days-hours")
        if 0 < _seconds(self.time) < NOTICE + EARLY + 30:
            why = f"leaves no time to compute: SLURM tells a job up to {NOTICE + EARLY} s before its limit to stop"
            raise ValueError(f"--time {self.time!r} {why}; give three minutes or more, or 0 for no limit")
        _check("memory", self.memory, MEMORY, "give a whole number and K, M, G or T, such as 16G")
        for name in ("partition", "account"):
            _check(name, getattr(self, name), NAME, "give a name as SLURM knows it")
        if self.workers and find_spec("distributed") is None:
            raise ValueError("--dask needs the package distributed; run: pip install 'sweepjax[dask]'")


def script(arguments: Sequence[str], out: str, request: Request) -> str:
    """Return the batch script that runs a sweep in parts.

    The number of parts is written into it, so that any of them can be submitted again alone (`sbatch --array=7`).

    Args:
        arguments: those of `sweepjax run` that say what the sweep is.
        out: the directory of the rows, wherever the script is submitted.
        request: how many parts, and what each of them needs.
    """
    text = {
        "directives": "\n".join(f"#SBATCH --{option}" for option in _options(request)),
        "scripts": shlex.quote(sysconfig.get_path("scripts")),
        "here": shlex.quote(str(Path.cwd())),
        "cluster": _cluster(request) if request.workers else "",
        "run": _run(arguments, out, request),
    }
    return SCRIPT.format(**text)


def _check(name: str, text: str | None, pattern: re.Pattern[str], advice: str) -> None:
    if text is not None and not pattern.fullmatch(text):
        raise ValueError(f"--{name} {text!r} is not understood; {advice}")


def _seconds(time: str) -> int:
    """Return a time as SLURM reads it: minutes, [hours:]minutes:seconds or days-hours[:minutes[:seconds]]."""
    days, _, clock = time.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if days or len(parts) == 3:
        hours, minutes, seconds = [*parts, 0, 0][:3]
    else:
        hours, minutes, seconds = [0, *parts, 0][:3]
    return ((24 * int(days or 0) + hours) * 60 + minutes) * 60 + seconds


def _options(request: Request) -> list[str]:
    """Return the options of sbatch."""
    asked = {
        "array": f"1-{request.parts}",
        "time": request.time,
        "ntasks": request.workers or 1,
        "gpus-per-task": request.gpus,
        "cpus-per-task": request.cpus,
        "mem": request.memory,
        "partition": request.partition,
        "account": request.account,
        "signal": f"B:USR1@{NOTICE}",
        "open-mode": "append",
    }
    return ["job-name=sweepjax", "requeue", *(f"{option}={value}" for option, value in asked.items() if value)]


def _run(arguments: Sequence[str], out: str, request: Request) -> str:
    command = ["sweepjax", "run", "--device", "gpu" if request.gpus else "cpu", *arguments, "-o", out]
    run = f'{shlex.join(command)} --part "$SLURM_ARRAY_TASK_ID/{request.parts}"'
    return JOIN.format(run=run) if request.workers else run


def _cluster(request: Request) -> str:
    each = {"gpus-per-task": request.gpus, "cpus-per-task": request.cpus}
    options = "".join(f" --{option}={value}" for option, value in each.items() if value)
    return CLUSTER.format(options=options)


CLUSTER = """\
scheduler=$PWD/slurm-"$SLURM_JOB_ID".json
rm -f "$scheduler"
trap 'rm -f "$scheduler"' EXIT
dask scheduler --scheduler-file "$scheduler" --port 0 --no-dashboard &
server=$!
# SLURM guards the memory; a worker that is lost takes no other with it.
srun --kill-on-bad-exit=0{options} dask worker --scheduler-file "$scheduler" \\
    --nthreads 1 --memory-limit 0 --no-dashboard &
"""

JOIN = """\
{{
    until [ -s "$scheduler" ] || ! kill -0 "$server"; do sleep 1; done
    exec {run} --executor dask --scheduler "$scheduler"
}}"""

SCRIPT = """\
#!/bin/bash
{directives}

export PATH={scripts}:"$PATH"
cd {here} || exit 1

{cluster}{run} &
run=$!
trap 'kill -USR1 "$run"' USR1 # the time is nearly up
trap 'kill -TERM "$run"' TERM # preempted, or cancelled
# A signal ends the waiting, not what is waited for.
until wait "$run"; code=$?; ! kill -0 "$run" 2> /dev/null; do :; done

# 130 is interrupted and resumable; 138 and 143 are the same before `run` had begun to listen.
job="$SLURM_ARRAY_JOB_ID"_"$SLURM_ARRAY_TASK_ID"
case $code in 130 | 138 | 143)
    # A cancelled job is no longer running, and is not to come back; one that is just being told is "signaling".
    case "$(squeue --noheader --jobs="$job" --format=%T)" in RUNNING | SIGNALING)
        trap '' USR1 TERM
        scontrol requeue "$job"
        ;;
    esac
    ;;
esac
exit "$code"
"""
