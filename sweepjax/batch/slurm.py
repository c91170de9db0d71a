"""SLURM: `sweepjax slurm DIR --parts 64 | sbatch`."""

import shlex

from sweepjax.batch import NOTICE, Job, Request


def slurm(request: Request) -> Job:
    """Tell a part before its time limit, and have it queue itself again."""
    return Job(
        directives=[f"#SBATCH --{option}" for option in _options(request)],
        part="$SLURM_ARRAY_TASK_ID",
        before=_cluster(request) if request.workers else "",
        start=JOIN if request.workers else "{run}",
        after=REQUEUE,
    )


def _options(request: Request) -> list[str]:
    """Return the options of sbatch."""
    asked = {
        "array": f"1-{request.parts}",
        "time": request.time,
        "ntasks": request.workers or 1,
        "gres": request.gres,
        "gpus-per-task": None if request.gres else request.gpus,
        "constraint": shlex.quote(request.constraint) if request.constraint else None,
        "cpus-per-task": request.cpus,
        "mem": request.memory,
        "partition": request.partition,
        "account": request.account,
        "qos": request.qos,
        "signal": f"B:USR1@{NOTICE}",
        "open-mode": "append",
    }
    return ["job-name=sweepjax", "requeue", *(f"{option}={value}" for option, value in asked.items() if value)]


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

REQUEUE = """\
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
"""
