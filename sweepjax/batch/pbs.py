"""PBS Professional and OpenPBS, not Torque: `sweepjax slurm DIR --system pbs --parts 64 | qsub`."""

from sweepjax.batch import NOTICE, Job, Request, clock, slurm_alone


def pbs(request: Request) -> Job:
    """Tell a part before its time limit by a clock of its own; it waits to be submitted again."""
    slurm_alone("PBS", request)
    notice = f"timeout --preserve-status --signal=USR1 {request.seconds - NOTICE} " if request.seconds else ""
    return Job(
        directives=[f"#PBS -{option}" for option in _options(request)],
        # PBS makes no array of one.
        part="$PBS_ARRAY_INDEX" if request.parts > 1 else "1",
        before=REMARK,
        start=f"{notice}{{run}}",
    )


def _options(request: Request) -> list[str]:
    """Return the options of qsub."""
    each = {"ncpus": request.cpus, "ngpus": request.gpus, "mem": request.mebibytes and f"{request.mebibytes}mb"}
    asked = {
        "J 1-": request.parts if request.parts > 1 else None,
        "l walltime=": request.seconds and clock(request.seconds),
        "q ": request.partition,
        "A ": request.account,
    }
    node = "l select=1" + "".join(f":{name}={value}" for name, value in each.items() if value)
    always = ["N sweepjax", "S /bin/bash", "j oe", "r y", node]
    return [*always, *(f"{option}{value}" for option, value in asked.items() if value)]


REMARK = """\
# PBS tells a job nothing before its limit, so that `timeout` does. Only an operator may queue a job again: a part that
# ends with 130 goes on when this script is submitted once more, and parts that are complete end at once. PBS itself
# queues a part again that is preempted, or whose node fails.
"""
