"""Sweeps on SLURM, whose commands are scripts here."""

import os
import signal
import subprocess
import sys
import time

import pytest
import sweeps
from click.testing import CliRunner

from snnlab.cli import main
from snnlab.runs.result import load_result
from snnlab.runs.sweep import slurm, sweep
from snnlab.runs.sweep.worker import RunOutcome

PROGRAMS = {
    "sbatch": 'cp "$1" submitted.sh; echo Submitted batch job 4242',
    "sacct": "echo 'JobID|State|NodeList'; cat states",
    "scontrol": 'echo "$@" >> scontrol.said',
    "srun": """
while [[ $1 == --* ]]; do
  case $1 in
    --unbuffered) shift;;
    --output) output=${2//%A/4242}; output=${output//%a/$SLURM_ARRAY_TASK_ID}
      output=${output//%t/0}; shift 2;;
    *) shift 2;;
  esac
done
exec "$@" >> "$output" 2>&1""",
}


@pytest.fixture(autouse=True)
def cluster(tmp_path, monkeypatch):
    """A folder in which there are the programs, and a checkout."""
    (tmp_path / "bin").mkdir()
    for name, text in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/bash\ncd {tmp_path}\n{text}\n")
        program.chmod(0o755)
    (tmp_path / "states").write_text("4242_[0-3]|PENDING|\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.05)
    yield tmp_path
    from submitit import SlurmJob

    SlurmJob.watcher.clear()  # it remembers what became of a number
    SlurmJob.watcher._registered.clear()


def call(*arguments):
    return CliRunner().invoke(main.app, ["sweep", *map(str, arguments), "--executor", "slurm"])


def options(folder):
    """The lines `#SBATCH --name=value` of what sbatch was given."""
    lines = [
        line
        for line in (folder / "submitted.sh").read_text().splitlines()
        if line.startswith("#SBATCH --")
    ]
    return dict((line.removeprefix("#SBATCH --") + "=").split("=")[:2] for line in lines)


def test_a_sweep_is_one_array_job_with_what_was_asked_for(cluster):
    asked = "--workers 3 --partition gpu --gpus 2 --cpus 8 --hours 1.5 --memory-gb 20.5".split()
    asked += ["--slurm", "account", "lab"]
    done = call(sweeps.write(cluster), *asked)
    assert done.exit_code == 0, done.output
    found = options(cluster)
    assert (found["array"], found["requeue"], found["open-mode"]) == ("0-3%3", "", "append")
    assert (found["partition"], found["gpus-per-node"], found["cpus-per-task"]) == ("gpu", "2", "8")
    assert (found["time"], found["mem"], found["account"], found["job-name"]) == (
        "90",
        "20992M",
        "lab",
        "small",
    )
    assert found["signal"].startswith("USR2@")
    assert found["output"] == str(cluster / "runs/small/slurm/%A_%a_0_log.out")
    for words in (
        "Job 4242: 4 runs, 3 at a time",
        "squeue -j 4242",
        "scancel 4242",
        str(cluster / "runs/small/slurm"),
    ):
        assert words in done.stderr
    assert len(list((cluster / "runs/small/slurm").glob("4242_*_submitted.pkl"))) == 4


def test_a_dry_run_shows_the_lines_that_sbatch_would_get(cluster, monkeypatch):
    asked = "--workers 3 --partition gpu --hours 1.5 --slurm account lab".split()
    path = sweeps.write(cluster)
    dry = call(path, *asked, "--dry-run")
    assert dry.exit_code == 0 and not (cluster / "submitted.sh").exists(), dry.output
    assert call(path, *asked).exit_code == 0
    submitted = (cluster / "submitted.sh").read_text().splitlines()
    lines = [line for line in submitted if line.startswith("#SBATCH")]
    assert lines and "\n".join(lines) in dry.stdout
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # no SLURM here
    assert "\n".join(lines) in call(path, *asked, "--dry-run").stdout


def test_an_option_of_sbatch_replaces_that_of_snnlab_and_is_a_switch_without_a_value(cluster):
    more = ["--slurm", "gpus-per-node", "a100:2", "--slurm", "exclusive", ""]
    dry = call(sweeps.write(cluster), *more, "--dry-run")
    lines = dry.stdout.splitlines()
    assert [line for line in lines if "gpus-per-node" in line] == ["#SBATCH --gpus-per-node=a100:2"]
    assert "#SBATCH --exclusive" in lines


def test_what_slurm_would_read_otherwise_is_refused(cluster):
    done = call(sweeps.write(cluster), "--slurm", "array", "0-1", "--dry-run")
    assert done.exit_code == 2 and "snnlab numbers the runs; choose how many with" in done.stderr
    os.replace(sweeps.write(cluster), cluster / "s %j.yaml")
    done = call(cluster / "s %j.yaml", "--dry-run")
    assert done.exit_code == 2 and "names without %" in done.stderr


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_hours_and_memory_are_finite(cluster, number):
    for option in ("--hours", "--memory-gb"):
        done = call(sweeps.write(cluster), option, number)
        assert done.exit_code == 2 and f"{number!r} is not a finite number" in done.stderr


def test_a_gpu_that_is_wanted_has_to_be_asked_for(cluster):
    path = sweeps.write(cluster, notebook="02", grid=None, parameters={"device": "cuda"})
    os.replace(
        cluster / "notebooks/01_lif_dynamics.ipynb",
        cluster / "notebooks/02_pretrain_and_transfer.ipynb",
    )
    for more in ([], ["--dry-run"]):
        done = call(path, "--gpus", 0, *more)
        assert (
            done.exit_code == 2 and "device cuda is absent: --gpus 0 asks for none" in done.stderr
        )
    assert call(path).exit_code == 0


def test_without_a_word_a_run_gets_a_gpu_for_each_of_its_processes_and_none_if_none_is_wanted(
    cluster,
):
    assert call(sweeps.write(cluster)).exit_code == 0
    found = options(cluster)
    assert found["gpus-per-node"] == "1" and "partition" not in found and found["array"] == "0-3%1"
    assert call(cluster / "small.yaml", "--gpus", 0).exit_code == 0
    assert "gpus-per-node" not in options(cluster)
    os.replace(
        cluster / "notebooks/01_lif_dynamics.ipynb",
        cluster / "notebooks/02_pretrain_and_transfer.ipynb",
    )
    (cluster / "big.yaml").write_text("notebook: 02\nparameters: {processes: 4}\nseeds: [0, 3]\n")
    assert call(cluster / "big.yaml").exit_code == 0
    assert options(cluster)["gpus-per-node"] == "4"


def test_what_slurm_refuses_is_one_sentence(cluster):
    (cluster / "bin/sbatch").write_text(
        "#!/bin/bash\necho sbatch: error: invalid partition specified: gpuu >&2; exit 1"
    )
    done = call(sweeps.write(cluster), "--partition", "gpuu")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1, done.output
    assert "SLURM refused the job: sbatch: error: invalid partition specified: gpuu" in done.stderr


def test_a_refusal_without_words_is_its_exit_status(cluster):
    (cluster / "bin/sbatch").write_text("#!/bin/bash\nexit 3")
    done = call(sweeps.write(cluster))
    assert done.exit_code == 2 and "SLURM refused the job: Command" in done.stderr, done.output
    assert done.stderr.endswith("returned non-zero exit status 3.\n")


def test_a_machine_without_slurm_is_said_so(cluster, monkeypatch):
    path = sweeps.write(cluster)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    done = call(path)
    assert (
        done.exit_code == 2
        and "There is no sbatch here" in done.stderr
        and "--executor local" in done.stderr
    )


def test_following_an_end_that_slurm_made(cluster):
    (cluster / "states").write_text(
        "4242_0|OUT_OF_MEMORY|\n4242_1|CANCELLED by 7|\n4242_2|TIMEOUT|\n4242_3|FAILED|\n"
    )
    done = call(sweeps.write(cluster), "--follow")
    assert done.exit_code == 1, done.output
    for words in (
        (
            "neurons=10, seed=0 failed: SLURM says OUT_OF_MEMORY; give it more (--memory-gb). Its "
            "log: "
        ),
        "neurons=10, seed=1 failed: SLURM says CANCELLED; submit it again.",
        "neurons=20, seed=0 failed: SLURM says TIMEOUT; give it more time (--hours).",
        "neurons=20, seed=1 failed: SLURM says FAILED; submit it again.",
    ):
        assert words in done.stderr
    assert "4 of 4 runs have no result yet: neurons=10, seed=0 ..." in done.stderr


def task(cluster, number):
    """Start what SLURM would start."""
    mine = {
        "SLURM_JOB_ID": "4250",
        "SLURM_ARRAY_JOB_ID": "4242",
        "SLURM_ARRAY_TASK_ID": str(number),
        "SLURM_PROCID": "0",
    }
    return subprocess.Popen(["bash", cluster / "submitted.sh"], env={**os.environ, **mine})


MIDDLE = """
if starts == 1:
    (run.dir / "worker.pid").write_text(str(os.getppid()))
    time.sleep(60)
"""


def test_a_task_whose_time_is_up_is_queued_again_and_goes_on(cluster):
    """The same signal announces the end of the time and of the machine."""
    plan = sweeps.read(cluster, MIDDLE, grid=None)
    asked = slurm.Slurm(cpus=3, hours=0.1)
    work = slurm.tasks(plan.left, asked, retries=3)
    jobs = slurm.submit(plan.folder, work, plan.left[0].config, asked, workers=2)
    first = task(cluster, 1)
    pid = plan.runs[1].dir / "worker.pid"
    while not (pid.is_file() and pid.read_text()):
        assert first.poll() is None, (cluster / "runs/small/slurm/4242_1_0_log.out").read_text()
        time.sleep(0.05)
    os.kill(int(pid.read_text()), signal.SIGUSR2)
    first.wait(60)
    assert (cluster / "scontrol.said").read_text() == "requeue 4242_1\n"
    assert not plan.runs[1].finished and not jobs[1].done()
    assert jobs[1].submission()._timeout_countdown == slurm.TIMEOUTS - 1
    assert all(job.submission().function.retries == 3 for job in jobs)
    task(cluster, 1).wait(120)
    result = load_result(plan.runs[1].dir)
    assert result.more["starts"] == 2 and result.more["environment"]["OMP_NUM_THREADS"] == "3"
    (cluster / "states").write_text("4242_0|NODE_FAIL|\n4242_1|COMPLETED|\n")
    changes = []

    class Told:
        def change(self, run, what):
            changes.append((run.name, what.split(";")[0]))

        def update(self, *_):
            pass

        def refresh(self):
            pass

    jobs[0].watcher.clear()
    outcomes = slurm.follow(plan.runs, jobs, Told())
    assert outcomes[1] == RunOutcome("finished") and outcomes[0].status == "failed"
    assert sorted(changes) == [
        ("seed=0", "begins"),
        ("seed=0", "failed: SLURM says NODE_FAIL"),
        ("seed=1", "begins"),
        ("seed=1", "finished"),
    ]
    assert sweep.Sweep(plan.path).left[0].config.seed == 0 and len(plan.left) == 1


def test_without_submitit_it_is_said_what_to_install(cluster, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "submitit", None)
        done = call(sweeps.write(cluster))
    assert done.exit_code == 2 and 'pip install "snnlab[slurm]"' in done.stderr


def test_a_search_is_one_array_job_of_workers(cluster):
    sweeps.write(cluster)
    find = cluster / "find.yaml"
    find.write_text(
        "notebook: '01'\nprofile: tiny\nparameters: {seeds: 1}\n"
        "grid: {neurons: {low: 10, high: 90}}\nsearch: {trials: 5}\n"
    )
    asked = ["search", str(find), "--executor", "slurm", "--workers", "3", "--cpus", "2"]
    dry = CliRunner().invoke(main.app, [*asked, "--dry-run"])
    done = CliRunner().invoke(main.app, asked)
    assert done.exit_code == 0, done.output
    lines = (cluster / "submitted.sh").read_text().splitlines()
    assert "\n".join(line for line in lines if line.startswith("#SBATCH")) in dry.stdout
    found = options(cluster)
    assert (found["array"], found["cpus-per-task"], found["job-name"]) == ("0-2%3", "2", "find")
    assert "Job 4242: 3 workers, which draw trials until there are 5" in done.stderr
    assert len(list((cluster / "runs/find/slurm").glob("4242_*_submitted.pkl"))) == 3
