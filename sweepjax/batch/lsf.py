"""IBM Spectrum LSF: `sweepjax slurm DIR --system lsf --parts 64 | bsub`."""

from sweepjax.batch import AGAIN, ASK, HEED_AND_NOTE, Job, Request, slurm_alone

MINUTES = 2  # of notice before the time limit; LSF counts no seconds


def lsf(request: Request) -> Job:
    """Have LSF tell a part before its time limit, and queue it again by its exit code."""
    slurm_alone("LSF", request)
    return Job(
        directives=[f"#BSUB -{option}" for option in _options(request)],
        part="$LSB_JOBINDEX",
        before=REMARK,
        heed=HEED_AND_NOTE,
        after=ASK,
    )


def _options(request: Request) -> list[str]:
    """Return the options of bsub."""
    limit = f"{request.seconds // 3600}:{request.seconds // 60 % 60:02}"
    asked = {
        "W": request.seconds and limit,
        "wa": request.seconds and "'USR1'",
        "wt": request.seconds and f"'{MINUTES}'",
        "n": request.cpus,
        "gpu": request.gpus and f'"num={request.gpus}"',
        "R": request.mebibytes and f'"rusage[mem={request.mebibytes}MB]"',
        "q": request.partition,
        "P": request.account,
    }
    array = f"1-{request.parts}" if request.parts > 1 else "1"
    always = [f'J "sweepjax[{array}]"', "o sweepjax.%J.%I.out", "r", f'Q "{AGAIN}"', 'R "span[hosts=1]"']
    return [*always, *(f"{option} {value}" for option, value in asked.items() if value)]


REMARK = f"""\
# LSF queues a part again that ends with {AGAIN} (-Q), or whose host fails (-r). The memory is that of the job or of
# each slot, as the site has it.
"""
