"""A training by two processes is watched as that of one is: same bits, stopped and paused in the
same batch, no one left waiting."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from bars import same_checkpoints

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.toys import interaural_lags
from snnlab.data.splits import DataSplits
from snnlab.delays.experiments import DelayStage, delay_experiment
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.training import callbacks, checkpoints, experiments
from snnlab.training.callbacks import (
    Callback,
    CallbackBatches,
    CallbackRunner,
    StopTraining,
    TrainingProgress,
)
from snnlab.training.distributed import rank_and_world_size
from snnlab.training.experiments import run_experiment, run_experiments
from snnlab.training.state import EpochState
from snnlab.training.trainer import fit
from snnlab.viz.monitor.callback import MonitorControl, MonitorReport, latest_only
from snnlab.viz.monitor.monitor import watch

pytestmark = pytest.mark.usefixtures("one_thread")

HERE = Path(__file__).parent

# Of training; and of validation 3, the last of one sample, which process 0 has
BATCHES, EPOCHS = 5, 3
DATA = DataSplits(*(interaural_lags(n, seed=s, steps=20) for s, n in enumerate((75, 33, 20))))
CLOCKS = ("seconds", "cpu_seconds")


@dataclass(frozen=True)
class Logged(DelayStage):
    """Writes a line a step, with the process that took it; a step takes its time where there is a
    file `slowly`."""

    log: str = ""

    def before_step(self, model, optimisers, done):
        with open(f"{self.log}/{rank_and_world_size()[0]}.log", "a") as file:
            file.write(f"{os.getpid()} {done}\n")
        if os.path.exists(f"{self.log}/slowly"):
            time.sleep(0.1)


def stage(folder):
    network = DelayNetConfig(
        n_in=16, hidden=(6,), n_classes=5, max_delay=8, tau=1.5, dropout=0.2, delay_mode="learned"
    )
    return Logged(
        name="lags",
        network=network,
        epochs=EPOCHS,
        batch_size=16,
        seed=5,
        device="cpu",
        log=str(folder),
    )


def steps(folder):
    """What each process has logged."""
    return [
        path.read_text().splitlines() if path.exists() else []
        for path in (folder / "0.log", folder / "1.log")
    ]


def saved_steps(folder):
    """The steps before the checkpoint; before a validation, all of its epoch are under way."""
    content = checkpoints.load(folder / "lags.pt")
    return len(content["history"]) * BATCHES + content["under_way"]["batches"]


def without_clocks(history):
    return [{key: value for key, value in line.items() if key not in CLOCKS} for line in history]


def eventually(true):
    deadline = time.monotonic() + 300
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert true()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What nobody watched."""
    folder = tmp_path_factory.mktemp("whole")
    (outcome,) = run_experiments([delay_experiment(stage(folder))], DATA, folder, processes=2)
    return outcome


def places(count):
    """Where a training is after so many steps: before the next, or in validation."""
    epoch, batch = divmod(count, BATCHES)
    return [
        f"lags: epoch {epoch + 1} of 3, batch {batch + 1} of 5.",
        *([] if batch else [f"lags: epoch {epoch} of 3, validation."]),
    ]


def paused(panel, folder):
    """Pause it, and say how many steps there are, in all processes; only the one that is under way
    is finished, and the panel says where all wait."""
    panel.pause()
    at_most = max(len(log) for log in steps(folder)) + 1

    def waiting():
        before = [len(log) for log in steps(folder)]
        time.sleep(0.5)  # longer than a step takes
        return before[0] == before[1] and [len(log) for log in steps(folder)] == before

    eventually(waiting)
    at = len(steps(folder)[0])
    assert panel.state == "paused" and at <= at_most
    eventually(lambda: any(f"Paused: {place}" in panel.box.status.value for place in places(at)))
    time.sleep(0.5)
    assert [len(log) for log in steps(folder)] == [at, at]
    return at


def test_paused_stopped_killed_and_without_a_page_it_ends_with_the_bits_of_one_that_nobody_watched(
    tmp_path, whole
):
    others = set(multiprocessing.active_children())
    (tmp_path / "slowly").touch()
    panel = watch(run_experiment, delay_experiment(stage(tmp_path)), DATA, tmp_path, processes=2)
    eventually(lambda: len(steps(tmp_path)[0]) >= 2)
    # all wait at the same batch, and go on
    at = paused(panel, tmp_path)
    eventually(
        lambda: panel._panel is not None and "spikes for one sample" in panel._panel.static.alt
    )
    panel.resume()
    eventually(lambda: len(steps(tmp_path)[0]) > max(at, BATCHES))
    # all stop within a batch, or two if the first ended meanwhile, and there is a checkpoint
    before = len(steps(tmp_path)[0])
    panel.stop()
    after = [len(log) for log in steps(tmp_path)]
    assert panel.state == "stopped" and after[0] == after[1] <= before + 2
    assert saved_steps(tmp_path) == after[0]
    assert any(f"Stopped: {place}" in panel.box.status.value for place in places(after[0]))
    assert set(multiprocessing.active_children()) <= others
    # a death in a pause is told, and ends all
    panel.resume()
    eventually(lambda: len(steps(tmp_path)[1]) > after[1])
    at = paused(panel, tmp_path)
    os.kill(int(steps(tmp_path)[1][-1].split()[0]), signal.SIGKILL)
    eventually(lambda: panel.state == "failed")
    assert (
        "): One of the 2 processes that train died, perhaps for want of memory"
        in panel.box.status.value
    )
    with pytest.raises(
        SnnlabError, match="^One of the 2 processes that train died.*finished epochs are kept.$"
    ):
        panel.result()
    assert set(multiprocessing.active_children()) <= others and len(steps(tmp_path)[0]) == at
    # it goes on from the checkpoint, and needs no page for that
    (tmp_path / "slowly").unlink()
    panel.resume()
    panel.box.widget.close()
    outcome = panel.result()
    assert panel.state == "finished" and set(multiprocessing.active_children()) <= others
    assert without_clocks(outcome.last.history) == without_clocks(whole.last.history)
    assert outcome.test_accuracy == whole.test_accuracy
    same_checkpoints(outcome.last.checkpoint, whole.last.checkpoint)
    assert "after 3 of 3 epochs" in panel._panel.static.alt
    # what was not saved before the kill was trained on twice, by both, and nothing else
    for log in steps(tmp_path):
        counts = Counter(line.split()[1] for line in log)
        assert (
            len(counts) == EPOCHS * BATCHES
            and sum(counts.values()) == EPOCHS * BATCHES + at - after[0]
        )


def test_not_live_a_network_is_trained_and_the_callers_own_stays(tmp_path, whole):
    made = stage(tmp_path)
    net, same = (made.build(made.network) for _ in range(2))
    path = tmp_path / "c.pt"
    panel = watch(
        fit,
        net,
        DATA.train,
        DATA.valid,
        made,
        checkpoint=path,
        live=False,
        processes=2,
    )
    result = panel.result()
    assert (
        panel.state == "finished"
        and panel.box is None
        and "after 3 of 3 epochs" in panel._panel.static.alt
    )
    assert without_clocks(result.history) == without_clocks(whole.last.history)
    trained, start = result.model.state_dict(), same.state_dict()
    assert all(torch.equal(value, whole.net.state_dict()[name]) for name, value in trained.items())
    assert all(torch.equal(value, start[name]) for name, value in net.state_dict().items())


def test_python_ends_cleanly_while_two_processes_train(tmp_path):
    script = f"""if __name__ == "__main__":
        import sys
        sys.path[:0] = {[str(HERE), str(HERE.parent / "helpers")]}
        from pathlib import Path
        import test_launch_ranks as t
        folder = Path({str(tmp_path)!r})
        (folder / "slowly").touch()
        experiment = t.delay_experiment(t.stage(folder))
        panel = t.watch(t.run_experiment, experiment, t.DATA, folder, processes=2)
        t.eventually(lambda: len(t.steps(folder)[1]) >= 2)
    """
    file = tmp_path / "script.py"
    file.write_text(script)
    done = subprocess.run(
        [sys.executable, file], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert saved_steps(tmp_path) == len(steps(tmp_path)[0])


def test_what_other_processes_cannot_import_is_refused(tmp_path):
    with pytest.raises(SnnlabError, match="processes = 0: expected a whole number from 1"):
        watch(run_experiment, processes=0)

    def train(callbacks):
        raise AssertionError

    with pytest.raises(
        SnnlabError, match="train: other processes cannot import it; .* Move it to a module"
    ):
        watch(train, processes=2)


# The parts
# ------------------------------------------------------------------------------------------------


def report(number, seen=None, stage=1):
    return MonitorReport(
        TrainingProgress(None, None, None, [{}] * number, None, 1, None), stage, {}, None, seen
    )


def test_a_slow_reader_gets_the_newest_and_nobody_waits_for_him():
    told, begun, reading = [], threading.Event(), threading.Event()

    def tell(one):
        begun.set()
        assert reading.wait(60)
        told.append((len(one.progress.history), one.snapshot))

    with latest_only(tell) as put:
        put(report(0))
        assert begun.wait(60)  # now he reads it
        for number, seen in ((1, "a"), (2, "b"), (3, None)):
            put(report(number, seen))
        assert told == []
        reading.set()
    assert told == [(0, None), (3, "b")]  # with the newest look


def test_an_error_of_the_reader_is_printed_and_the_next_report_is_sent(capsys):
    told, begun = [], threading.Event()

    def tell(one):
        told.append(one)
        begun.set()
        if len(told) == 1:
            raise ValueError("nobody reads this")

    with latest_only(tell) as put:
        put(report(0))
        assert begun.wait(60)
        put(report(1))
    assert len(told) == 2 and capsys.readouterr().err.count("ValueError: nobody reads this") == 1


def test_a_look_at_one_stage_is_not_shown_in_the_next():
    told, begun, reading = [], threading.Event(), threading.Event()

    def tell(one):
        begun.set()
        assert reading.wait(60)
        told.append((one.stage, one.snapshot))

    with latest_only(tell) as put:
        put(report(0))
        assert begun.wait(60)
        put(report(1, "a"))
        put(report(0, stage=2))
        reading.set()
    assert told == [(1, None), (2, None)]


def test_nothing_undoes_a_stop():
    control = MonitorControl()
    assert not control.paused and not control.stopped
    control.pause()
    assert control.paused and not control.stopped
    control.resume()
    assert not control.paused and not control.stopped
    control.stop()
    control.pause()
    control.resume()
    assert control.stopped and not control.paused
    control.reset()
    assert not control.paused and not control.stopped


class Saves:
    def __init__(self, due=False):
        self.saved, self.is_due = [], due

    def due(self):
        return self.is_due

    def save(self, tally):
        self.saved.append(tally)


SAID = 7000 * 4 + 2  # aside for 7000 ms, stop, and no checkpoint is due


def group(monkeypatch, number, others):
    """This process is one of two; `others` are the sums of what the other one gives."""
    given = []
    monkeypatch.setattr(callbacks, "rank_and_world_size", lambda: (number, 2))

    def summed(own):
        given.append(own.tolist())
        return own + torch.tensor(others, dtype=own.dtype)

    monkeypatch.setattr(callbacks, "all_reduce_sum", summed)
    return given


def epoch_state_of(device="cpu"):
    state = EpochState(torch.device("cpu"), lambda: 0.0)
    state.device = torch.device(device)
    state.started = state.work_started = 0.0
    return state


class Stopping(Callback):
    """Stops before a batch, after 7 s that are excluded."""

    def on_batch_start(self, progress):
        progress.started += 7.0
        raise StopTraining


class Watching(Callback):
    """Does nothing before a batch."""

    def on_batch_start(self, progress):
        pass


def same(epoch_state):
    return epoch_state


def test_process_0_asks_and_all_save_where_it_stops(monkeypatch):
    state, epoch_state = Saves(), epoch_state_of()
    given = group(monkeypatch, 0, [3, 0])
    with pytest.raises(StopTraining):
        CallbackRunner(state, [Stopping()], same)("on_batch_start", epoch_state, 4)
    assert given == [[4, SAID]] and state.saved == [epoch_state] and epoch_state.started == 7.0


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_another_process_does_not_look_but_stops_with_it_and_its_clocks_wait(monkeypatch, device):
    state, epoch_state = Saves(), epoch_state_of(device)
    given = group(monkeypatch, 1, [4, SAID])
    with pytest.raises(StopTraining):
        CallbackRunner(state, [Stopping()], None)("on_batch_start", epoch_state, 3)
    assert given == [[3, 0]] and state.saved == [epoch_state]
    assert epoch_state.started == 7.0
    assert epoch_state.work_started == (7.0 if device == "cuda" else 0.0)


def test_all_save_when_one_is_due_and_go_on(monkeypatch):
    state, epoch_state = Saves(due=True), epoch_state_of()
    given = group(monkeypatch, 0, [3, 0])
    run_hook = CallbackRunner(state, [Callback()], None)
    assert run_hook("on_batch_start", epoch_state, 4) == 7
    assert given == [[4, 1]] and state.saved == [epoch_state]
    # Where no callback overrides the hook, nothing more is sent
    assert run_hook("on_batch_start", epoch_state) == run_hook("on_epoch_end") == 0
    assert len(given) == 1
    CallbackRunner(state, [Watching()], same)("on_batch_start", epoch_state)
    assert given[1:] == [[0, 0]] and state.saved == [epoch_state]  # in validation nothing is due


def test_each_process_looks_as_often_whether_or_not_it_has_a_part_of_the_last_batch():
    for number, samples in ((0, [8, 8, 1]), (1, [8, 8])):
        looks = iter(range(9))
        batches = CallbackBatches(DATA.valid, looks.__next__).batches(16, part=(number, 2))
        assert [len(y) for _, y in batches] == samples and next(looks) == 3


def test_a_detached_progress_says_the_same():
    epoch_state = epoch_state_of("cuda")
    epoch_state.batches = 2
    here = TrainingProgress(
        torch.nn.Linear(1, 1), stage(""), DATA.valid, [{}], epoch_state, BATCHES, Path("c.pt")
    )
    there = here.detached()
    assert (
        str(there) == str(here) == "lags: epoch 2 of 3, batch 3 of 5"
        and there.epochs_done == here.epochs_done == 1.4
    )
    assert (
        there.model is None
        and there.valid is None
        and there.epoch_state.device == torch.device("cpu")
    )
    assert replace(here, epoch_state=None).detached().epoch_state is None


def test_where_the_test_set_was_scored_after_each_epoch_it_is_not_scored_again(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(experiments, "evaluate", None)
    outcome = run_experiment(
        delay_experiment(replace(stage(tmp_path), test_each_epoch=True)), DATA, tmp_path
    )
    assert outcome.test_accuracy == outcome.last.metrics["test_accuracy"]
