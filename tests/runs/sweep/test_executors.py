"""Runs in real processes, most with a quick stand-in for the notebook, killed in every way."""

import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import psutil
import pytest
import sweeps
from click.testing import CliRunner
from quick_task import Quick

from snnlab.cli import main
from snnlab.runs import execute, manifest
from snnlab.runs.result import load_result
from snnlab.runs.sweep import executors, worker
from snnlab.runs.sweep.executors import gpus, run_local, worker_environment
from snnlab.runs.sweep.worker import RunOutcome, last_progress


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


CODE = SimpleNamespace(sha256="")


class Told:
    """A watcher that remembers."""

    def __init__(self):
        self.changes, self.places = [], []

    def change(self, run, what):
        self.changes.append((run.name, what))

    def update(self, run, *place):
        self.places.append((run.name, *place))

    def refresh(self):
        pass


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Give `run_local` of runs that are pieces of Python, by name."""
    monkeypatch.setattr(executors, "Task", Quick)

    def run(codes, *, workers=2, retries=1, config=None):
        config = config or SimpleNamespace()
        planned = [
            SimpleNamespace(
                name=name,
                config=config,
                notebook=tmp_path / "none.ipynb",
                code=CODE,
                given={"code": code, "out": str(tmp_path / name)},
            )
            for name, code in codes.items()
        ]
        run.told = told = Told()
        return run_local(
            tmp_path / "runs", planned, workers=workers, retries=retries, watcher=told
        ), told

    return run


ENVIRONMENT = (
    "(folder / 'environment').write_text(os.environ['CUDA_VISIBLE_DEVICES'] + ' ' + "
    "os.environ['OMP_NUM_THREADS'])"
)


def test_a_run_is_ended_and_pruned_as_soon_as_it_is_to_stop(tmp_path, monkeypatch):
    """It is not tried again, and another run of the same call finishes."""
    monkeypatch.setattr(executors, "Task", Quick)
    long = SimpleNamespace(name="long", config=SimpleNamespace(), notebook=None, code=CODE)
    long.given = {"code": "time.sleep(60)", "out": str(tmp_path / "long")}
    short = SimpleNamespace(name="short", config=SimpleNamespace(), notebook=None, code=CODE)
    short.given = {"code": "pass", "out": str(tmp_path / "short")}

    def call(pool):
        return (
            pool.run(long, wait=False, stop=lambda: (tmp_path / "long/starts").exists()),
            pool.run(short, wait=False),
        )

    ((pruned, finished),) = executors.in_workers(
        tmp_path / "runs", call, workers=1, retries=1, watcher=Told()
    )
    assert (pruned.status, finished.status) == ("pruned", "finished")
    assert (tmp_path / "long/starts").read_text() == "x"


def test_outcomes_come_in_the_order_of_the_runs_whatever_became_of_them(quick, tmp_path):
    outcomes, told = quick(
        {
            "slow": "time.sleep(1)",
            "bad": "raise ValueError('no such luck')",
            "dies": "os.kill(os.getpid(), signal.SIGKILL)",
            "dies once": "starts > 1 or os.kill(os.getpid(), signal.SIGKILL)",
            "good": "pass",
        }
    )
    assert [outcome.status for outcome in outcomes] == [
        "finished",
        "failed",
        "failed",
        "finished",
        "finished",
    ]
    assert "ValueError: no such luck" in outcomes[1].text
    assert (
        "its worker died, perhaps killed for want of memory; run fewer at a time (--workers)"
        in outcomes[2].text
    )
    starts = {path.parent.name: len(path.read_text()) for path in tmp_path.glob("*/starts")}
    assert starts == {"slow": 1, "bad": 2, "dies": 2, "dies once": 2, "good": 1}
    assert [what for name, what in told.changes if name == "dies once"] == [
        "begins",
        "failed",
        "tried again",
        "finished",
    ]
    whats = [what for name, what in told.changes if name == "dies"]
    assert whats[:3] == ["begins", "failed", "tried again"] and whats[3].startswith(
        "failed: its worker died"
    )
    assert len(whats) == 4
    assert len(list((tmp_path / "runs/workers").rglob("*.log"))) == 8


def test_never_more_at_a_time_than_workers(quick, tmp_path):
    code = """
mine = folder.parent / "busy" / folder.name
mine.touch()
(folder.parent / "most" / folder.name).write_text(str(len(list(mine.parent.iterdir()))))
time.sleep(0.5)
mine.unlink()
"""
    (tmp_path / "busy").mkdir()
    (tmp_path / "most").mkdir()
    outcomes, _ = quick({str(i): code for i in range(4)}, workers=2)
    assert [outcome.status for outcome in outcomes] == ["finished"] * 4
    assert max(int(path.read_text()) for path in (tmp_path / "most").iterdir()) == 2


def test_workers_share_gpus_round_robin_and_cores(quick, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-ab")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(9))
    quick({str(i): ENVIRONMENT + "\ntime.sleep(1)" for i in range(3)}, workers=3)
    found = sorted(path.read_text() for path in tmp_path.glob("*/environment"))
    assert found == ["3 3", "3 3", "GPU-ab 3"]


def test_the_terminals_ctrl_c_is_for_the_sweep_alone(quick, tmp_path):
    """A worker blocks it until it is in a session of its own; there, the notebook can get it."""
    code = """
mine = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
(folder / "found").write_text(f"{mine} {os.getsid(0) == os.getpid()}")
"""
    quick({"one": code})
    assert (tmp_path / "one/found").read_text() == "False True"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_shares():
    assert worker_environment(0, 2, 1, 8, ["0", "1", "2"])["CUDA_VISIBLE_DEVICES"] == "0"
    assert worker_environment(4, 8, 1, 8, ["0", "1", "2"])["CUDA_VISIBLE_DEVICES"] == "1"
    assert worker_environment(1, 2, 2, 8, ["0", "1", "2", "3"])["CUDA_VISIBLE_DEVICES"] == "2,3"
    # It will say that they are too few
    assert worker_environment(1, 2, 4, 8, ["0", "1"])["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert worker_environment(1, 2, 1, 8, [])["CUDA_VISIBLE_DEVICES"] == ""
    assert {worker_environment(0, 3, 1, 8, [])[name] for name in executors.THREADS} == {"2"}
    assert worker_environment(0, 16, 1, 8, [])["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("named", "found"), [("2,5", ["2", "5"]), (" GPU-ab ", ["GPU-ab"]), ("", []), ("-1", [])]
)
def test_gpus_that_were_chosen_before_stay_chosen(monkeypatch, named, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert gpus() == found


def test_gpus_that_nobody_chose_are_counted(monkeypatch):
    monkeypatch.setattr(executors, "cuda_devices", lambda: ["Some GPU"] * 3)
    assert gpus() == ["0", "1", "2"]


def test_a_notebook_that_would_take_all_cores_takes_its_share():
    def given(**config):
        return executors.with_cores(
            SimpleNamespace(config=SimpleNamespace(**config), given={"a": 1}), 3
        )

    assert given(workers=0) == {"a": 1, "workers": 3}
    assert given(workers=2) == given() == {"a": 1}


def test_what_a_worker_said_last(tmp_path):
    log = tmp_path / "log"
    assert last_progress(log) is None
    log.write_text("something else\n")
    assert last_progress(log) is None
    log.write_text(
        "x" * 9000
        + "\nsnnlab at 1/9 First  \nsnnlab at 3/9 The second, part 1  2 of 5\nsomething else\n"
    )
    assert last_progress(log) == (3, 9, "The second, part 1  2 of 5")


def test_a_report_says_a_heading_once_and_a_count_now_and_then(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    report = worker._progress_printer()
    for second, count in ((1, ""), (2, "1 of 9"), (3, "2 of 9"), (20, "3 of 9"), (21, "4 of 9")):
        clock[0] = second
        report(2, 7, "Training", count)
    report(3, 7, "Results", "")
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"snnlab at {line}" for line in ("2/7 Training  ", "2/7 Training  3 of 9", "3/7 Results  ")
    ]


def test_where_a_run_is_reaches_the_watcher(quick):
    _, told = quick({"one": "print('snnlab at 2/7 Training  1 of 3', flush=True)\ntime.sleep(1)"})
    assert ("one", 2, 7, "Training  1 of 3") in told.places


def gone(pid, seconds=15):
    """Whether a process ends within some time."""
    try:
        psutil.Process(pid).wait(seconds)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def after(condition, seconds=300):
    """Wait for a condition."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.05)


def numbers(folder):
    return [int(path.read_text()) for path in folder.glob("*/pid") if path.read_text()]


NUMBER = "(folder / 'pid').write_text(str(os.getpid()))\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_no_worker_and_starts_no_other(quick, tmp_path, number):
    def interrupt():
        after(lambda: len(numbers(tmp_path)) == 2)
        os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the command has it
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            quick(dict.fromkeys("abcd", NUMBER + "time.sleep(60)"), retries=3)
    finally:
        signal.signal(signal.SIGTERM, before)
    pids = numbers(tmp_path)
    assert [what for _, what in quick.told.changes] == ["begins", "begins"]
    assert len(pids) == 2 and not any(psutil.pid_exists(pid) for pid in pids)
    assert {len(path.read_text()) for path in tmp_path.glob("*/starts")} == {1}


def test_a_broken_watcher_ends_everything(tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "Task", Quick)

    class Broken(Told):
        def change(self, run, what):
            raise OSError("the terminal is gone")

    given = {"code": "pass", "out": str(tmp_path / "a")}
    planned = [
        SimpleNamespace(name="a", config=SimpleNamespace(), notebook=None, code=CODE, given=given)
    ]
    with pytest.raises(OSError, match="the terminal is gone"):
        run_local(tmp_path / "runs", planned, workers=1, retries=0, watcher=Broken())


def test_what_another_process_has_in_work_is_left_to_it(tmp_path):
    run = sweeps.read(tmp_path).runs[0]
    run.dir.mkdir(parents=True)
    with manifest.hold(run.dir, "runner", 0):
        outcome = worker.Task(run.notebook, run.code.sha256, run.given)()
    assert outcome.status == "held" and "the same run is going on there" in outcome.text


def test_what_another_process_has_in_work_is_waited_for_and_run_if_that_has_not_finished(tmp_path):
    run = sweeps.read(tmp_path).runs[0]
    run.dir.mkdir(parents=True)
    held, released = threading.Event(), threading.Event()

    def other():
        with manifest.hold(run.dir, "runner", 0):
            held.set()
            time.sleep(1)
            released.set()

    threading.Thread(target=other).start()
    held.wait()
    outcome = worker.Task(run.notebook, run.code.sha256, run.given, wait=True)()
    assert outcome == RunOutcome("finished") and released.is_set()


def test_the_command_counts_what_it_left_to_others(tmp_path, monkeypatch):
    path = sweeps.write(tmp_path)
    monkeypatch.setattr(executors, "run_local", lambda *_, **__: [RunOutcome("held", "by 7")] * 4)
    done = CliRunner().invoke(main.app, ["sweep", str(path)])
    assert (
        done.exit_code == 0
        and "4 runs are in progress in another process: neurons=10, seed=0" in done.stderr
    )


def test_an_interrupted_command_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        raise KeyboardInterrupt

    path = sweeps.write(tmp_path)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    monkeypatch.setattr(executors, "run_local", interrupted)
    done = CliRunner().invoke(main.app, ["sweep", str(path)])
    assert (
        done.exit_code == 130
        and "Stopped: 0 of 4 runs are finished. The same command resumes." in done.stderr
    )
    assert signal.signal(signal.SIGTERM, before) is signal.SIG_IGN


def test_what_a_shell_or_nohup_ignores_stays_ignored_and_a_plain_kill_stops(tmp_path, monkeypatch):
    """A Ctrl-C or a closed terminal is not for what runs in the background."""

    def run(*_, **__):
        for ignored in (signal.SIGINT, signal.SIGHUP):
            signal.raise_signal(ignored)
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("it was not stopped")

    path = sweeps.write(tmp_path)
    before = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGINT, signal.SIGHUP)}
    monkeypatch.setattr(executors, "run_local", run)
    try:
        done = CliRunner().invoke(main.app, ["sweep", str(path)])
        assert {one: signal.getsignal(one) for one in before} == dict.fromkeys(
            before, signal.SIG_IGN
        )
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert done.exit_code == 130 and "The same command resumes." in done.stderr


def test_a_worker_sets_its_environment_before_torch_is_there():
    code = "import sys, snnlab.runs.sweep.executors; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


@pytest.mark.parametrize(
    ("retries", "failures", "status"), [(0, 1, "failed"), (2, 2, "finished"), (2, 3, "failed")]
)
def test_a_task_tries_again_where_nobody_else_does(
    tmp_path, monkeypatch, retries, failures, status
):
    run = sweeps.read(tmp_path).runs[0]
    calls = []

    def execute_(planned, report, **_):
        calls.append(planned.given)
        if len(calls) <= failures:
            raise execute.NotebookFailed(f"no luck {len(calls)}")
        began = sweeps.start(run)
        began.save_result(
            [{"variant": "a", "seed": 0}], data={"name": "made here", "note": "nothing"}
        )

    monkeypatch.setattr(execute, "execute", execute_)
    outcome = worker.Task(run.notebook, run.code.sha256, run.given, retries=retries)()
    assert outcome == RunOutcome(status, f"no luck {failures}" if status == "failed" else "")
    assert calls == [run.given] * (min(retries, failures) + 1)


def test_an_error_of_several_lines_is_told_in_one(tmp_path, monkeypatch):
    run = sweeps.read(tmp_path).runs[0]

    def execute_(planned, report, **_):
        raise execute.NotebookFailed("cell [2]: ValueError: a\n  b\nSee x  y.ipynb.")

    monkeypatch.setattr(execute, "execute", execute_)
    outcome = worker.Task(run.notebook, run.code.sha256, run.given)()
    assert outcome == RunOutcome("failed", "cell [2]: ValueError: a b See x  y.ipynb.")


def test_a_notebook_that_does_something_else_has_failed(tmp_path, monkeypatch):
    run = sweeps.read(tmp_path).runs[0]
    monkeypatch.setattr(execute, "execute", lambda planned, report, **_: None)
    outcome = worker.Task(run.notebook, run.code.sha256, run.given)()
    assert (
        outcome.status == "failed" and "not with the parameters that it was given" in outcome.text
    )


def test_a_failed_run_ends_the_command_with_code_1_and_its_error(tmp_path, monkeypatch):
    path = sweeps.write(tmp_path, seeds=[0])
    outcomes = [RunOutcome("failed", "01_lif_dynamics.ipynb: no such luck"), RunOutcome("finished")]
    monkeypatch.setattr(executors, "run_local", lambda *_, **__: outcomes)
    done = CliRunner().invoke(main.app, ["sweep", str(path)])
    assert done.exit_code == 1 and done.stderr.splitlines() == [
        "2 of 2 runs have no result yet: neurons=10, seed=0 ...",
        "neurons=10, seed=0 failed: 01_lif_dynamics.ipynb: no such luck",
    ]
    outcomes[1:] = [outcomes[0]]  # for one reason: in one line
    done = CliRunner().invoke(main.app, ["sweep", str(path)])
    assert done.exit_code == 1 and done.stderr.splitlines()[1:] == [
        "neurons=10, seed=0 and 1 more failed: 01_lif_dynamics.ipynb: no such luck",
    ]


def test_a_killed_sweep_takes_its_workers_along_and_goes_on_to_its_table(tmp_path):
    """With real notebooks: one of two runs is finished when the sweep is killed."""
    (tmp_path / "long").touch()
    middle = f"""
if config.neurons == 20:
    Path({str(tmp_path / "pids")!r}).write_text(f"{{os.getpid()}} {{os.getppid()}}")
    while Path({str(tmp_path / "long")!r}).exists():
        time.sleep(0.1)
"""
    path = sweeps.write(tmp_path, middle, seeds=[0])
    command = [
        sys.executable,
        "-c",
        "from snnlab.cli.main import app; app()",
        "sweep",
        str(path),
        "--workers",
        "2",
    ]
    with open(tmp_path / "log", "w") as log:
        sweep = subprocess.Popen(command, stdout=log, stderr=log)
    # Its line comes when the worker is gone.
    after(
        lambda: (
            (tmp_path / "pids").exists()
            and "neurons=10, seed=0  finished" in (tmp_path / "log").read_text()
        ),
        200,
    )
    sweep.kill()
    sweep.wait()
    kernel, worker = map(int, (tmp_path / "pids").read_text().split())
    assert gone(worker) and gone(kernel)
    assert (tmp_path / "log").read_text().splitlines()[-1].startswith("1/2 runs  ")
    (first,) = tmp_path.rglob("result.json")
    changed = first.stat().st_mtime_ns
    (tmp_path / "long").unlink()
    done = CliRunner().invoke(main.app, command[3:])
    assert done.exit_code == 0, done.output
    assert "neurons=10" not in done.stderr and first.stat().st_mtime_ns == changed
    assert "2/2 runs" in done.stderr and "10.0" in done.stdout and "20.0" in done.stdout
    results = [load_result(folder) for folder in (tmp_path / "runs/small").glob("*/seed=0")]
    assert sorted((r.config["neurons"], r.more["starts"]) for r in results) == [(10, 1), (20, 2)]
    cores = len(os.sched_getaffinity(0))
    shares = {r.config["neurons"]: r.more["environment"] for r in results}
    assert shares[10] == {"OMP_NUM_THREADS": str(max(1, cores // 2)), "CUDA_VISIBLE_DEVICES": ""}
    assert shares[20] == {"OMP_NUM_THREADS": str(cores), "CUDA_VISIBLE_DEVICES": ""}  # it was alone
