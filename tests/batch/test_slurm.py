import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from command import SCRIPT
from places import TESTS
from sweepjax_cli import app

import sweepjax as sj
from sweepjax.store.store import Store
from sweepjax.sweep.adaptive import Adaptive, Rule
from sweepjax.sweep.sweep import Sweep

SHARE = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_ID": "15"}
POINT = ["--n", "20", "--lambda", "0.5", "--chunk", "8"]
PATIENT = [*POINT, "--solver", "patient:Patient"]


def called(name):
    """What a tool was called with last, if it was."""
    file = Path("tools") / f"{name}.called"
    return file.read_text().split("\0")[:-1] if file.exists() else None


def executed(script):
    return subprocess.run(["bash"], input=script, text=True, env=os.environ | SHARE, check=False).returncode


def test_a_job_runs_its_part_of_the_whole(printed, tools):
    assert executed(printed("run", "--parts", "64", "--", "--preset", "margins")) == 0
    *command, share = called("sweepjax")
    assert command == ["run", "--device", "gpu", "--preset", "margins", "-o", str(Path("run").absolute()), "--part"]
    assert share == "3/64"


def test_the_number_of_parts_does_not_depend_on_which_are_submitted(printed):
    script = printed("run", "--parts", "64", "--", *POINT)
    assert "#SBATCH --array=1-64\n" in script
    assert "TASK_COUNT" not in script


@pytest.mark.parametrize(
    "name", ["two words", "it's", '"quoted"', "$(touch harm)", "`touch harm`", "a\nb", "-x", "*", "{a}"]
)
def test_any_name_reaches_run_as_it_is(name, printed, tools):
    assert executed(printed("--", name, *POINT)) == 0
    assert called("sweepjax")[-4:-2] == ["-o", str(Path(name).absolute())]
    tools("apptainer", "exit 0")
    assert executed(printed("--container", "x.sif", "--", name, "--set", f"loss={name}")) == 0
    assert called("apptainer")[7:11] == ["--set", f"loss={name}", "-o", str(Path(name).absolute())]
    assert not Path("harm").exists()


def test_the_script_works_in_the_directory_in_which_it_was_printed(printed, tools, monkeypatch):
    tools("sweepjax", "pwd > where")
    script = printed("run", "--", *POINT)
    monkeypatch.chdir("/")
    assert executed(script) == 0
    assert not Path("where").exists()


@pytest.mark.slow
def test_a_directory_goes_on_with_its_own_sweep(printed, tools):
    assert app(["run", *POINT, "--realizations", "2", "--solver", "probe:Bits", "-o", "run"]) == 0
    script = printed("run")
    assert executed(script) == 0
    assert called("sweepjax")[3] == str(Path("run/_sweep.toml").absolute())


def test_what_is_asked_of_slurm(printed):
    options = {"time": "1-12", "partition": "a100,h100", "account": "group-7"}
    texts = [text for name, value in options.items() for text in (f"--{name}", value)]
    script = printed("run", "--gpus", "2", "--cpus", "8", "--memory", "16G", *texts, "--", *POINT)
    directives = re.findall(r"^#SBATCH --(\S+)$", script, re.MULTILINE)
    asked = {"gpus-per-task=2", "cpus-per-task=8", "mem=16G", *(f"{name}={value}" for name, value in options.items())}
    assert set(directives) >= asked | {"requeue", "open-mode=append", "signal=B:USR1@90"}


def test_what_a_cluster_wants_besides_is_asked_for(printed):
    features = ["--gres", "gpu:a100:1", "--qos", "long", "--constraint", "a100|h100"]
    lines = ["--prologue", "module load cuda/12", "--prologue", "echo $HOSTNAME"]
    script = printed("run", *features, *lines, "--container", "my image.sif", "--", *POINT)
    assert "#SBATCH --gres=gpu:a100:1\n#SBATCH --constraint='a100|h100'\n" in script
    assert "#SBATCH --qos=long\n" in script
    assert "gpus-per-task" not in script
    assert "\nmodule load cuda/12\necho $HOSTNAME\napptainer exec --nv 'my image.sif' sweepjax run" in script


def test_a_container_without_gpus_asks_for_no_driver(printed):
    assert "\napptainer exec my.sif sweepjax run" in printed(
        "run", "--gpus", "0", "--container", "my.sif", "--", *POINT
    )


def test_without_gpus_none_is_asked_for_and_none_is_used(printed, tools):
    script = printed("run", "--gpus", "0", "--", *POINT)
    assert "--gpus" not in script
    assert executed(script) == 0
    assert called("sweepjax")[:3] == ["run", "--device", "cpu"]


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--parts", "0"),
        ("--parts", "many"),
        ("--gpus", "-1"),
        ("--cpus", "0"),
        ("--dask", "0"),
        ("--time", "an hour"),
        ("--time", "1:2:3:4"),
        ("--time", "2:59"),
        ("--time", "0:2:30"),
        ("--time", "10:60"),
        ("--time", "99:99:99"),
        ("--time", "1-2:60"),
        ("--prologue", "echo 'a b"),
        ("--prologue", "module load cuda; export X=\"$(date)'"),
        ("--prologue", "#SBATCH --time=1"),
        ("--memory", "16 GB"),
        ("--memory", "0"),
        ("--partition", "a\n#SBATCH --exclusive"),
        ("--account", "two words"),
        ("--account", ""),
        ("--qos", "two words"),
        ("--constraint", "a b"),
        ("--gres", "gpu:"),
        ("--gres", "gpu a100"),
        ("--prologue", "two\nlines"),
        ("--prologue", " "),
    ],
)
def test_what_slurm_would_not_understand_is_refused(option, text, here, capsys):
    assert app(["slurm", "run", option, text, "--", *POINT]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"sweepjax: {option} ")
    assert "; give " in err


@pytest.mark.parametrize("time", ["3", "0", "2:30:00", "0-0:3"])
def test_a_time_limit_that_leaves_time_is_taken(time, printed):
    assert f"#SBATCH --time={time}\n" in printed("run", "--time", time, "--", *POINT)


def test_what_run_would_not_understand_is_refused_before_it_waits_in_a_queue(here, capsys):
    assert app(["slurm", "run", "--", "--lamda", "0.5"]) == 2
    assert "did you mean --lambda" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "margin"], "unknown preset 'margin'"),
        (["--model", "logistics"], "logistics"),
        (["--lambda", "0.4:x"], "'x' in the axis"),
        (["sweep.toml"], "sweep.toml does not exist"),
    ],
)
def test_a_sweep_that_does_not_exist_is_refused_before_it_waits_in_a_queue(arguments, said, here, capsys):
    assert app(["slurm", "run", "--", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_model_that_only_a_container_holds_is_for_the_job_to_see(printed):
    assert "--model=far.away:Model" in printed("run", "--container", "x.sif", "--", "--model=far.away:Model")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--part", "1/2"], "leave it out, and give --parts before the --"),
        (["-o", "elsewhere"], "leave it out, and give the directory before the --"),
        (["--plan"], "--plan among the arguments"),
        (["--device", "cpu"], "leave it out, and give --gpus before the --"),
        (["--target-se", "margin=1", "--max-realizations", "9"], "--target-se needs the rows of every part"),
        (["--adaptive", "margin=1", "--max-realizations", "9"], "--adaptive needs the rows of every part"),
    ],
)
def test_what_would_make_every_job_fail_is_refused_before_it_waits_in_a_queue(arguments, said, here, capsys):
    assert app(["slurm", "run", "--parts", "2", "--", *POINT, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_directory_that_is_adaptive_has_no_parts(here, capsys):
    Store(Path("run"), Adaptive.of(Sweep(), Rule("margin", 0.1)), 8).create()
    assert app(["slurm", "run"]) == 0
    assert app(["slurm", "run", "--parts", "2"]) == 2
    assert "run is adaptive, and needs the rows of every part" in capsys.readouterr().err
    assert app(["slurm", "new", "--", "run/_sweep.toml"]) == 0
    assert app(["slurm", "new", "--parts", "2", "--", "run/_sweep.toml"]) == 2
    assert "the sweep is adaptive, and needs the rows of every part" in capsys.readouterr().err


@pytest.mark.parametrize(
    "given", [["--checkpoint", "9"], ["--executor", "dask"], ["--workers", "2"]], ids=lambda g: g[0]
)
def test_what_dask_would_be_told_twice_or_cannot_do_is_refused_before_it_waits_in_a_queue(given, here, capsys):
    assert app(["slurm", "run", "--dask", "2", "--", *POINT, *given]) == 2
    assert f"{given[0]} among the arguments of `run` does not go with --dask" in capsys.readouterr().err


def test_a_new_directory_needs_a_sweep(here, capsys):
    assert app(["slurm", "run"]) == 2
    assert "run holds no sweep yet; say which" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 137])
def test_an_end_is_passed_on(code, printed, tools):
    tools("sweepjax", f"exit {code}")
    assert executed(printed("run", "--", *POINT)) == code
    assert called("scontrol") is None


@pytest.mark.parametrize("code", [130, 138, 143])
def test_an_interrupted_part_is_queued_again_and_no_other(code, printed, tools):
    tools("sweepjax", f"exit {code}")
    assert executed(printed("run", "--", *POINT)) == code
    assert called("scontrol") == ["requeue", "12_3"]


def test_a_part_that_is_still_being_told_is_queued_again(printed, tools):
    tools("sweepjax", "exit 130")
    tools("squeue", "echo SIGNALING")
    assert executed(printed("run", "--", *POINT)) == 130
    assert called("scontrol") == ["requeue", "12_3"]


def test_a_cancelled_part_is_not_queued_again(printed, tools):
    tools("sweepjax", "exit 130")
    tools("squeue", "echo COMPLETING")
    assert executed(printed("run", "--", *POINT)) == 130
    assert called("scontrol") is None


@pytest.mark.parametrize("name", ["USR1", "TERM"])
def test_a_signal_is_passed_on_and_its_end_waited_for(name, printed, tools):
    end = f"trap 'sleep 0.5; echo heard > {name}; exit 130' {name}"
    tools("sweepjax", f"{end}\ntouch ready\nwhile :; do sleep 0.05; done")
    Path("job.sh").write_text(printed("run", "--", *POINT))
    process = subprocess.Popen(["bash", "job.sh"], env=os.environ | SHARE)
    wait_for(Path("ready").exists, seconds=10)
    process.send_signal(signal.Signals[f"SIG{name}"])
    assert process.wait(timeout=10) == 130
    assert Path(name).read_text() == "heard\n"
    assert called("scontrol") == ["requeue", "12_3"]


@pytest.mark.parametrize("workers", [[], ["--dask", "4", "--cpus", "2"]])
def test_shellcheck_has_nothing_to_say(workers, printed):
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    script = printed("it's", "--parts", "3", *workers, "--", *POINT)
    done = subprocess.run(["shellcheck", "-"], input=script, text=True, capture_output=True, check=False)
    assert done.stdout == ""


def test_dask_workers_are_told_where_their_scheduler_is(printed, tools):
    """The workers and the run start once the scheduler of this very start has written its file."""
    tools("dask", 'if [ "$1" = scheduler ]; then sleep 0.3; echo new > "$3"; sleep 5; fi')
    tools("srun", "sleep 5")
    tools("sweepjax", 'cp "${@: -1}" seen')
    Path("slurm-15.json").write_text("old")
    assert executed(printed("run", "--parts", "9", "--dask", "4", "--", *POINT)) == 0
    assert Path("seen").read_text() == "new\n"
    assert called("sweepjax")[-5:-1] == ["3/9", "--executor", "dask", "--scheduler"]
    assert {"worker", "--gpus-per-task=1", called("sweepjax")[-1]} <= set(called("srun"))
    assert not Path("slurm-15.json").exists()


def test_a_time_limit_may_be_near_before_the_scheduler_is_there(printed, tools):
    for name in ("dask", "srun"):
        tools(name, "sleep 5")
    Path("job.sh").write_text(printed("run", "--dask", "4", "--", *POINT))
    process = subprocess.Popen(["bash", "job.sh"], env=os.environ | SHARE)
    wait_for(lambda: called("srun"), seconds=10)
    time.sleep(0.3)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=10) == 128 + signal.SIGUSR1
    assert called("scontrol") == ["requeue", "12_3"]


@pytest.mark.slow
def test_a_run_heeds_the_signal_of_a_time_limit_and_that_of_an_end_right_after_it(here):
    command = [*SCRIPT, "run", *PATIENT]
    environment = os.environ | TESTS
    process = subprocess.Popen([*command, "-o", "run"], stderr=subprocess.PIPE, text=True, env=environment)
    wait_for(lambda: list(Path("run").glob("*.parquet")) or process.poll() is not None, seconds=60)
    process.send_signal(signal.SIGUSR1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert app(["verify", "run"]) == 0


CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SwitchType=switch/none
MpiDefault=none
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000
PartitionName=test Nodes=ALL Default=YES
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster of this machine alone; the jobs of a test find the solvers that the test finds."""
    missing = [name for name in ("slurmctld", "slurmd", "sbatch") if not shutil.which(name)]
    if missing or os.geteuid():
        pytest.skip(f"{missing[0]} is not installed (apt-get install slurm-wlm)" if missing else "slurmd wants root")
    home = tmp_path_factory.mktemp("cluster")
    for name in ("state", "spool"):
        (home / name).mkdir()
    host, file = socket.gethostname().partition(".")[0], home / "slurm.conf"
    file.write_text(CONFIGURATION.format(host=host, home=home, ports=free_ports()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(file))
        patch.setenv("PYTHONPATH", TESTS["PYTHONPATH"])
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        daemons = [subprocess.Popen([name, "-D", "-f", str(file)], **quiet) for name in ("slurmctld", "slurmd")]
        try:
            wait_for(lambda: slurm("sinfo", "--noheader", "--format=%t", check=False) == "idle\n", seconds=60)
            yield
            slurm("scancel", "--user=root")
            wait_for(idle, seconds=60)
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait(timeout=30)


def wait_for(claim, *, seconds):
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def free_ports():
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def slurm(*command, check=True, **options):
    return subprocess.run(command, check=check, stdout=subprocess.PIPE, text=True, **options).stdout


def submitted(script):
    return slurm("sbatch", "--parsable", input=script).strip()


def idle():
    time.sleep(1)
    return not slurm("squeue", "--noheader")


def ends(job):
    """The final state of each part of a job, and how often it was queued again."""
    told = slurm("scontrol", "show", "job", job)
    return re.findall(r"JobState=(\w+)", told), [int(count) for count in re.findall(r"Restarts=(\d+)", told)]


def logs():
    return "".join(file.read_text() for file in Path().glob("slurm-*.out"))


def bits(path):
    """What tells the rows of a run, in order."""
    return sj.read(path).sort_values("realization")[["realization", "bits", "placed"]].to_numpy().tolist()


@pytest.mark.slow
def test_an_array_whose_time_limit_is_too_short_ends_with_every_row_once(cluster, printed):
    """The notice comes 30 to 90 s after the start, and the rows of a part take 100 s at least."""
    whole = ["--realizations", "800"]
    job = submitted(printed("run", "--parts", "2", "--gpus", "0", "--time", "3", "--", *PATIENT, *whole))
    check_restarted(job, whole, parts=2)


def check_restarted(job, whole, *, parts):
    """Every part was queued again, and at the end every row is there once."""
    wait_for(idle, seconds=900)
    states, restarts = ends(job)
    assert states == ["COMPLETED"] * parts, logs()
    assert min(restarts) >= 1
    assert "Traceback" not in logs()
    assert app(["verify", "run"]) == 0
    assert app(["run", *POINT, "--solver", "probe:Bits", *whole, "-o", "straight"]) == 0
    assert bits("run") == bits("straight")


@pytest.mark.slow
def test_a_cancelled_array_is_gone(cluster, printed):
    job = submitted(printed("run", "--gpus", "0", "--", *PATIENT, "--realizations", "3200"))
    wait_for(lambda: list(Path("run").glob("*.parquet")), seconds=300)
    slurm("scancel", job)
    wait_for(idle, seconds=60)
    assert ends(job) == (["CANCELLED"], [0])
    assert "interrupted; run the same command again" in logs()
    assert "Traceback" not in logs()
    assert app(["verify", "run"]) == 0


@pytest.mark.slow
def test_dask_workers_under_srun_compute_every_row_once(cluster, printed):
    sweep = [*POINT, "--solver", "probe:Bits", "--realizations", "80"]
    job = submitted(printed("run", "--gpus", "0", "--dask", "2", "--", *sweep))
    wait_for(idle, seconds=300)
    assert ends(job) == (["COMPLETED"], [0]), logs()
    assert app(["verify", "run"]) == 0
    assert app(["run", *sweep, "-o", "straight"]) == 0
    assert bits("run") == bits("straight")


@pytest.mark.slow
def test_a_dask_job_whose_time_limit_is_too_short_ends_with_every_row_once(cluster, printed):
    """The notice comes 30 to 90 s after the start, and the rows take 160 s of two workers."""
    whole = ["--realizations", "640"]
    job = submitted(printed("run", "--gpus", "0", "--dask", "2", "--time", "3", "--", *PATIENT, *whole))
    check_restarted(job, whole, parts=1)
