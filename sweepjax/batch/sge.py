"""Grid Engine (Sun's, Altair's, Open Cluster Scheduler): `sweepjax slurm DIR --system sge --parts 64 | qsub`."""

from sweepjax.batch import AGAIN, ASK, HEED_AND_NOTE, NOTICE, Job, Request, clock, slurm_alone


def sge(request: Request) -> Job:
    """Have Grid Engine tell a part before its time limit, and queue it again by its exit code."""
    slurm_alone("Grid Engine", request)
    return Job(
        directives=[f"#$ -{option}" for option in _options(request)],
        part="$SGE_TASK_ID",
        before=REMARK,
        heed=HEED_AND_NOTE,
        after=ASK,
    )


def _options(request: Request) -> list[str]:
    """Return the options of qsub."""
    limits = (
        [f"l h_rt={clock(request.seconds)}", f"l s_rt={clock(request.seconds - NOTICE)}"] if request.seconds else []
    )
    asked = {
        "pe smp ": request.cpus,
        "l gpu=": request.gpus,
        "l mem_free=": request.mebibytes and f"{request.mebibytes}M",
        "q ": request.partition,
        "P ": request.account,
    }
    always = ["N sweepjax", "S /bin/bash", "cwd", "j y", "r y", f"t 1-{request.parts}"]
    return [*always, *limits, *(f"{option}{value}" for option, value in asked.items() if value)]


REMARK = f"""\
# The names gpu, mem_free and smp are those of most sites; where yours has others, change them above. The memory is that
# of each slot. From the notice at s_rt to the end it takes what the queue calls `notify`, 60 s by default. A part that
# ends with {AGAIN} is queued again, unless the site forbids it (FORBID_RESCHEDULE); so is one whose host fails (-r).
"""
