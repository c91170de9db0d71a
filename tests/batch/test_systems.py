"""PBS, LSF and Grid Engine: what their scripts ask for, and what they do in an environment as theirs."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from sweepjax_cli import app
from test_slurm import POINT, called, wait_for

from sweepjax.plugins import names

SYSTEMS = names("batch")
OTHERS = [name for name in SYSTEMS if name != "slurm"]
PARTS = {
    "pbs": {"PBS_ARRAY_INDEX": "3", "PBS_JOBID": "12[3].server"},
    "lsf": {"LSB_JOBINDEX": "3", "LSB_JOBID": "12"},
    "sge": {"SGE_TASK_ID": "3", "JOB_ID": "12"},
}
ASKED = ["--parts", "64", "--gpus", "2", "--cpus", "8", "--memory", "16G", "--partition", "a100", "--account", "g-7"]


def executed(script, system):
    environment = os.environ | PARTS[system]
    return subprocess.run(["bash"], input=script, text=True, env=environment, check=False).returncode


def directives(script):
    return re.findall(r"^#(?:PBS|BSUB|\$) -(.*)$", script, re.MULTILINE)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("asked", [[], ASKED, ["--gpus", "0", "--time", "0"]], ids=["little", "much", "no_limit"])
def test_bash_and_shellcheck_understand_every_script(asked, system, printed):
    script = printed("it's", "--system", system, *asked, "--", *POINT)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", "-"], input=script, text=True, capture_output=True, check=False)
        assert done.stdout == ""


@pytest.mark.parametrize("system", OTHERS)
def test_a_job_runs_its_part_of_the_whole(system, printed, tools):
    assert executed(printed("run", "--system", system, "--parts", "64", "--", "--preset", "margins"), system) == 0
    *command, share = called("sweepjax")
    assert command == ["run", "--device", "gpu", "--preset", "margins", "-o", str(Path("run").absolute()), "--part"]
    assert share == "3/64"


def test_a_single_job_of_pbs_is_no_array(printed, tools):
    script = printed("run", "--system", "pbs", "--", *POINT)
    assert not [line for line in directives(script) if line.startswith("J ")]
    assert executed(script, "pbs") == 0
    assert called("sweepjax")[-1] == "1/1"


@pytest.mark.parametrize(
    ("system", "lines"),
    [
        (
            "pbs",
            {"J 1-64", "r y", "l walltime=12:00:00", "q a100", "A g-7"}
            | {"l select=1:ncpus=8:ngpus=2:mem=16384mb", "S /bin/bash"},
        ),
        (
            "lsf",
            {'J "sweepjax[1-64]"', "r", 'Q "99"', "W 12:00", "wa 'USR1'", "wt '2'", "n 8", 'gpu "num=2"'}
            | {'R "rusage[mem=16384MB]"', 'R "span[hosts=1]"', "q a100", "P g-7"},
        ),
        (
            "sge",
            {"t 1-64", "r y", "l h_rt=12:00:00", "l s_rt=11:58:30", "pe smp 8", "l gpu=2", "l mem_free=16384M"}
            | {"q a100", "P g-7", "S /bin/bash"},
        ),
    ],
)
def test_what_is_asked_of_a_system(system, lines, printed):
    assert set(directives(printed("run", "--system", system, *ASKED, "--", *POINT))) >= lines


@pytest.mark.parametrize("system", OTHERS)
def test_without_a_limit_nothing_is_told_and_no_time_is_asked_for(system, printed, tools):
    script = printed("run", "--system", system, "--time", "0", "--gpus", "0", "--", *POINT)
    assert not re.search(r"walltime|l [hs]_rt|^#BSUB -w|^#BSUB -W|^timeout|gpu=|ngpus|-gpu", script, re.MULTILINE)
    assert executed(script, system) == 0
    assert called("sweepjax")[:3] == ["run", "--device", "cpu"]


@pytest.mark.parametrize(
    ("time", "clock"), [("1-12", "36:00:00"), ("2:30", None), ("90", "1:30:00"), ("1:2:3", "1:02:03")]
)
def test_a_time_is_spelled_as_the_system_spells_it(time, clock, here, capsys):
    code = app(["slurm", "run", "--system", "pbs", "--time", time, "--", *POINT])
    assert (f"#PBS -l walltime={clock}\n" in capsys.readouterr().out) == (code == 0) == (clock is not None)


@pytest.mark.parametrize("system", OTHERS)
@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 130, 137, 143])
def test_an_end_of_which_nothing_was_told_is_passed_on(code, system, printed, tools):
    tools("sweepjax", f"exit {code}")
    assert executed(printed("run", "--system", system, "--", *POINT), system) == code


@pytest.mark.parametrize(("system", "code"), [("pbs", 130), ("lsf", 99), ("sge", 99)])
@pytest.mark.parametrize("group", [False, True], ids=["the_script_is_told", "every_process_is_told"])
def test_a_part_whose_time_is_up_asks_to_be_queued_again_where_it_can(system, code, group, printed, tools):
    tools("sweepjax", "trap 'sleep 0.3; exit 130' USR1\ntouch ready\nwhile :; do sleep 0.05; done")
    process = started(printed("run", "--system", system, "--", *POINT), system)
    (os.killpg if group else os.kill)(process.pid, signal.SIGUSR1)
    assert process.wait(timeout=20) == code


@pytest.mark.parametrize("system", OTHERS)
def test_a_part_that_is_ended_for_good_does_not_come_back(system, printed, tools):
    tools("sweepjax", "trap 'sleep 0.3; exit 130' TERM\ntouch ready\nwhile :; do sleep 0.05; done")
    process = started(printed("run", "--system", system, "--", *POINT), system)
    process.terminate()
    assert process.wait(timeout=20) == 130


def started(script, system):
    """A job in a group of processes of its own, once its part listens."""
    Path("job.sh").write_text(script)
    process = subprocess.Popen(["bash", "job.sh"], env=os.environ | PARTS[system], start_new_session=True)
    wait_for(Path("ready").exists, seconds=20)
    return process


def test_pbs_tells_a_part_by_a_clock_of_its_own(printed, tools):
    tools("sweepjax", "trap 'exit 130' USR1\nwhile :; do sleep 0.05; done")
    script = printed("run", "--system", "pbs", "--time", "3", "--", *POINT)
    assert "--signal=USR1 90 sweepjax" in script
    assert executed(script.replace("=USR1 90 ", "=USR1 1 "), "pbs") == 130


@pytest.mark.parametrize("system", OTHERS)
@pytest.mark.parametrize("option", ["qos", "constraint", "gres"])
def test_what_only_slurm_has_is_refused_elsewhere(option, system, here, capsys):
    assert app(["slurm", "run", "--system", system, f"--{option}", "gpu", "--", *POINT]) == 2
    assert capsys.readouterr().err.startswith(f"sweepjax: --{option} is an option of SLURM")


@pytest.mark.parametrize("system", OTHERS)
def test_workers_of_dask_are_refused_where_nothing_starts_them(system, here, capsys):
    assert app(["slurm", "run", "--system", system, "--dask", "2", "--", *POINT]) == 2
    assert capsys.readouterr().err.startswith("sweepjax: --dask starts its workers by srun")


def test_an_unknown_system_is_refused_with_those_there_are(here, capsys):
    assert app(["slurm", "run", "--system", "torque", "--", *POINT]) == 2
    assert capsys.readouterr().err == f"sweepjax: unknown system 'torque'; choose one of: {', '.join(SYSTEMS)}\n"
