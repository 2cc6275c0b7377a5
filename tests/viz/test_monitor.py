"""The monitor: it stops and waits within a batch, goes on with the same bits, and changes nothing
of what it watches."""

import asyncio
import math
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bars import COMMON, DATA, NET, same, same_checkpoints, same_fits
from matplotlib.figure import Figure
from torch.nn.utils import prune

from snnlab._utils.errors import SnnlabError
from snnlab.data.datasets.toys import interaural_lags
from snnlab.data.splits import DataSplits
from snnlab.delays.ablation import discretise
from snnlab.delays.experiments import DelayStage, delay_experiment
from snnlab.delays.recipe import DelayRecipe
from snnlab.delays.statistics import delay_statistics
from snnlab.nn.delay_net import DelayNet
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.training import checkpoints
from snnlab.training import trainer as snnlab_training
from snnlab.training.callbacks import TrainingProgress
from snnlab.training.experiments import run_experiment
from snnlab.training.recipe import Recipe
from snnlab.training.state import EpochState
from snnlab.training.trainer import fit
from snnlab.transfer.pipelines import pipe_s
from snnlab.viz.monitor import box, callback, monitor
from snnlab.viz.monitor import view as monitor_view
from snnlab.viz.monitor.callback import MonitorCallback, MonitorControl
from snnlab.viz.monitor.monitor import watch
from snnlab.viz.monitor.snapshot import take_snapshot
from snnlab.viz.widgets.agg_canvas import CachedTextCanvas

RECIPE = DelayRecipe(epochs=3, batch_size=32, seed=5, device="cpu", anneal_share=1.0)
BATCHES = 5  # of training in an epoch
VALID = 3  # of validation


pytestmark = pytest.mark.usefixtures("one_thread")

HERE = Path(__file__).parent


def net(**changes):
    torch.manual_seed(1)
    return DelayNet(16, (12, 8), 5, **(dict(max_delay=16, tau=1.005, dropout=0.2) | changes))


TRAIN, HELD_OUT = interaural_lags(160, seed=0, steps=30), interaural_lags(80, seed=1, steps=30)


class Gate:
    """A set that gives out a batch only where one is allowed, and counts those it has given."""

    def __init__(self, data, allowed=0):
        self.data, self.given, self.allowed = data, 0, threading.Semaphore(allowed)
        self.labels = data.labels

    def __len__(self):
        return len(self.data)

    def batch(self, index):
        return self.data.batch(index)

    def index_batches(self, *arguments, **options):
        return self.data.index_batches(*arguments, **options)

    def batches(self, *arguments, **options):
        for batch in self.data.batches(*arguments, **options):
            assert self.allowed.acquire(timeout=300)
            self.given += 1
            yield batch

    def allow(self, n=10_000):
        self.allowed.release(n)


@pytest.fixture
def gate():
    """The training set, whose batches have to be allowed; whatever happens, nobody is left waiting
    for one."""
    made = Gate(TRAIN)
    yield made
    made.allow()
    monitor._stop_at_exit()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The training as it is without a monitor, and its checkpoint."""
    path = tmp_path_factory.mktemp("whole") / "c.pt"
    return fit(net(), TRAIN, HELD_OUT, RECIPE, checkpoint=path, progress=False), path


def training(train, valid, path, **options):
    """Makes its network itself: torch has one random generator, and another training may be running
    when this is called."""
    return fit(net(), train, valid, RECIPE, checkpoint=path, **options)


def watched(path, train=TRAIN, valid=HELD_OUT, **options):
    return watch(training, train, valid, path, **options)


def eventually(true):
    deadline = time.monotonic() + 300
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert true()


def allow_once_stopped(panel, gate):
    """Allow the batch that a training waits for, after somebody has told it to stop there."""

    def allow():
        eventually(lambda: panel._control.stopped)
        gate.allow(1)

    threading.Thread(target=allow).start()


def on_a_loop(coroutine):
    """What it returns; in a thread of its own, for tests in a browser leave an event loop running
    in this one."""
    with ThreadPoolExecutor() as pool:
        return pool.submit(asyncio.run, coroutine).result()


def click(panel, name):
    panel.box.buttons[name].click()


def possible(panel):
    return {name for name, button in panel.box.buttons.items() if not button.disabled}


# Stop, pause, continue
# ------------------------------------------------------------------------------------------------


def test_stop_is_honoured_within_a_batch_and_continue_ends_with_the_same_bits(
    tmp_path, gate, whole
):
    panel = watched(tmp_path / "c.pt", gate)
    gate.allow(BATCHES + 2)
    eventually(lambda: gate.given == BATCHES + 2)  # the third of the second epoch is waited for
    stopping = threading.Thread(target=panel.stop)
    stopping.start()
    eventually(lambda: panel._control.stopped)
    gate.allow(1)
    stopping.join(60)
    # That batch was asked for before the stop
    assert panel.state == "stopped" and gate.given == BATCHES + 3
    content = checkpoints.load(tmp_path / "c.pt")
    assert len(content["history"]) == 1 and content["under_way"]["batches"] == 2
    assert "Stopped: epoch 2 of 3, batch 3 of 5." in panel.box.status.value and possible(panel) == {
        "Continue"
    }
    with pytest.raises(
        SnnlabError, match=r"stopped \(epoch 2 of 3, batch 3 of 5\).*press Continue"
    ):
        panel.result()
    gate.allow()
    click(panel, "Continue")
    same_fits(panel.result(), whole[0])
    same_checkpoints(tmp_path / "c.pt", whole[1])
    assert possible(panel) == set() and "Finished: 3 of 3 epochs." in panel.box.status.value


def test_a_stop_in_validation_does_not_wait_for_its_end(tmp_path, whole):
    held_out = Gate(HELD_OUT, allowed=VALID + 1)
    panel = watched(tmp_path / "c.pt", valid=held_out)
    eventually(lambda: held_out.given == VALID + 1)  # in the second epoch's
    stopping = threading.Thread(target=panel.stop)
    stopping.start()
    eventually(lambda: panel._control.stopped)
    held_out.allow(1)
    stopping.join(60)
    assert panel.state == "stopped" and held_out.given == VALID + 2
    assert "Stopped: epoch 2 of 3, validation." in panel.box.status.value
    assert checkpoints.load(tmp_path / "c.pt")["under_way"]["batches"] == BATCHES
    held_out.allow()
    panel.resume()
    same_fits(panel.result(), whole[0])


def test_pause_waits_and_continue_goes_on_with_the_same_bits(tmp_path, gate, whole):
    panel = watched(tmp_path / "c.pt", gate)
    gate.allow(3)
    eventually(lambda: gate.given == 3)
    click(panel, "Pause")
    assert panel.state == "paused" and possible(panel) == {"Continue", "Stop"}
    gate.allow()
    eventually(lambda: gate.given == 4)  # it was asked for before the pause
    time.sleep(0.3)
    eventually(lambda: "Paused: epoch 1 of 3, batch 4 of 5." in panel.box.status.value)
    assert gate.given == 4
    with pytest.raises(SnnlabError, match=r"paused \(epoch 1 of 3, batch 4 of 5\): press Continue"):
        panel.result()
    click(panel, "Continue")
    same_fits(panel.result(), whole[0])


def test_the_outline_after_a_stop_is_still_that_of_the_start(tmp_path, gate, whole):
    model = net()
    panel = watch(fit, model, gate, HELD_OUT, RECIPE, checkpoint=tmp_path / "c.pt")
    gate.allow(BATCHES + 2)
    eventually(lambda: gate.given == BATCHES + 2)
    allow_once_stopped(panel, gate)
    panel.stop()
    gate.allow()
    panel.resume()
    same_fits(panel.result(), whole[0])
    assert panel._panel.static.png == watched(whole[1], live=False)._panel.static.png


def test_a_stop_ends_a_pause(tmp_path, gate):
    panel = watched(tmp_path / "c.pt", gate)
    panel.pause()
    gate.allow()
    panel.stop()
    assert panel.state == "stopped" and gate.given <= 1


def test_the_cell_run_again_stops_the_first_training_and_goes_on_from_its_checkpoint(
    tmp_path, gate, whole
):
    first = watched(tmp_path / "c.pt", gate)
    gate.allow(7)
    eventually(lambda: gate.given == 7)
    allow_once_stopped(first, gate)
    second_gate = Gate(TRAIN, allowed=10_000)
    second = watched(tmp_path / "c.pt", second_gate)
    assert first.state == "stopped"
    same_fits(second.result(), whole[0])
    assert second_gate.given == 3 * BATCHES - 7  # none was trained on twice
    third = watched(tmp_path / "c.pt", Gate(TRAIN))  # it is over: no batch is asked for
    same_fits(third.result(), whole[0])
    # With the outline of the delays before all training
    assert third._panel.static.png == second._panel.static.png


def test_a_pause_does_not_count(tmp_path, gate):
    panel = watched(tmp_path / "c.pt", gate)
    gate.allow(2)
    eventually(lambda: gate.given == 2)
    panel.pause()
    gate.allow()
    time.sleep(1.5)
    panel.resume()
    history = panel.result().history
    assert history[0]["seconds"] < 1.2 + history[1]["seconds"] + history[2]["seconds"]


def test_what_is_done_aside_is_not_counted(monkeypatch):
    now = {"wall": 100.0, "work": 10.0}
    monkeypatch.setattr("snnlab.training.state.time.perf_counter", lambda: now["wall"])
    epoch_state = EpochState(torch.device("cpu"), lambda: now["work"])
    now.update(wall=103.0, work=12.0)
    with epoch_state.paused_timers():
        now.update(wall=150.0, work=20.0)
    now.update(wall=151.0, work=20.5)
    assert (epoch_state.seconds, epoch_state.work_seconds) == (4.0, 2.5)


# Live or not
# ------------------------------------------------------------------------------------------------


def test_live_or_not_the_parameters_and_the_picture_are_the_same(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(callback, "INTERVAL", 0.0)
    monkeypatch.setattr(callback, "BUDGET", 1e9)  # a picture before each batch
    pictures = []
    draw = monitor.TrainingMonitor._draw
    monkeypatch.setattr(
        monitor.TrainingMonitor,
        "_draw",
        lambda self, *seen, **last: [draw(self, *seen, **last), pictures.append(self)],
    )
    live = watched(tmp_path / "live.pt")
    same_fits(live.result(), whole[0])
    same_checkpoints(tmp_path / "live.pt", whole[1])
    assert len(pictures) == 3 * (BATCHES + VALID) + 1
    still = watched(tmp_path / "still.pt", live=False)
    assert (
        still.state == "finished"
        and still.box is None
        and len(pictures) == 3 * (BATCHES + VALID) + 2
    )
    same_fits(still.result(), whole[0])
    assert (
        still._panel.static.png == live._panel.static.png
        and still._panel.static.alt == live._panel.static.alt
    )
    assert live.box.image.value == live._panel.static.to_html()
    assert live._panel.static.numbers == still._panel.static.numbers


def test_the_caller_keeps_its_randomness_and_the_network_its_mode_and_gradients(tmp_path):
    model = net()
    model.train()
    model(torch.ones(30, 2, 16)).sum().backward()
    before = {
        name: (p.clone(), p.grad.clone())
        for name, p in model.named_parameters()
        if p.grad is not None
    }
    statistics = [value.clone() for value in model.state_dict().values()]
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    epoch_state = EpochState(torch.device("cpu"), time.process_time)
    take_snapshot(TrainingProgress(model, RECIPE, HELD_OUT, [], epoch_state, BATCHES, None))
    assert torch.equal(torch.rand(3), expected)
    assert model.training and all(module.training for module in model.modules())
    assert len(before) == len([p for p in model.parameters() if p.requires_grad])
    for name, parameter in model.named_parameters():
        if name in before:
            assert torch.equal(parameter, before[name][0]) and torch.equal(
                parameter.grad, before[name][1]
            )
    assert all(
        torch.equal(a, b) for a, b in zip(statistics, model.state_dict().values(), strict=True)
    )
    assert not model.synapses[0].discrete


def test_a_plan_is_watched_through_its_stages_and_stopped_in_the_second(tmp_path, monkeypatch):
    settings = dict(
        steps=4, pretrain_epochs=2, epochs=2, lr=0.02, fine_tune_lr=0.01, seed=0, **COMMON
    )
    plan = pipe_s("pipe-S", NET, twins=(1, 4), **settings)
    expected = run_experiment(plan, DATA, tmp_path / "without")
    monkeypatch.setattr(callback, "INTERVAL", 0.0)
    monkeypatch.setattr(callback, "BUDGET", 1e9)
    seen, stops = [], []
    draw = monitor.MonitorView.draw

    def stop_in_the_second(view, now, initial):
        seen.append(now)
        if len(now.history) == 3 and not stops:
            stops.append(panel._control.stop())
        return draw(view, now, initial)

    monkeypatch.setattr(monitor.MonitorView, "draw", stop_in_the_second)
    panel = watch(run_experiment, plan, DATA, tmp_path / "with")
    with pytest.raises(SnnlabError, match="fine-tune: epoch 2 of 2, batch 1 of 4"):
        panel.result()
    panel.resume()
    outcome = panel.result()
    assert same(outcome.net, expected.net) and outcome.test_accuracy == expected.test_accuracy
    pretraining = [now for now in seen if not now.spiking]
    assert {now.rate_unit for now in pretraining} == {"mean activation"}
    assert not any(now.over_time for now in pretraining)
    assert pretraining[0].stages == (("pretrain", 0),)
    last = seen[-1]
    assert (last.spiking, last.over_time, last.rate_unit) == (True, True, "spikes a step")
    assert last.stages == (("pretrain", 0), ("fine-tune", 2))
    assert (len(last.history), last.total_epochs, last.delays) == (4, 4, {})
    line = expected.stages[0].history[1]
    assert monitor_view.curves(last)["twin_4_accuracy"][1] == line["twin_4_accuracy"]
    assert np.isnan(monitor_view.curves(last)["twin_4_accuracy"][2:]).all()
    x = DATA["target"].valid.batch(torch.arange(16))[0]
    outputs = []
    hook = outcome.net.acts[1].register_forward_hook(lambda module, given, out: outputs.append(out))
    with torch.no_grad():
        outcome.net.set_mode("lif", steps=4)(x)
    hook.remove()
    spikes = outputs[0].flatten(2)
    assert np.allclose(last.rates["layer 2"], spikes.mean((0, 1)).numpy())
    rows = torch.linspace(0, spikes.shape[2] - 1, last.rasters["layer 2"].shape[1]).long()
    assert np.array_equal(last.rasters["layer 2"], spikes[:, 0, rows].numpy())
    assert len(pretraining[0].rasters["layer 2"]) == x.shape[1]  # a column a sample
    alt = panel._panel.static.alt
    assert "stages begin: pretrain in epoch 1, fine-tune in epoch 3;" in alt
    axes = {ax.get_ylabel(): ax for ax in panel._panel._fig.axes}
    assert [text.get_text().strip() for text in axes["accuracy (%)"].texts] == [
        "pretrain",
        "fine-tune",
    ]
    ticks = axes["loss"].xaxis.get_majorticklocs()
    assert np.array_equal(ticks, ticks.round())


def test_accuracies_on_the_test_set_are_not_shown(tmp_path):
    network = DelayNetConfig(n_in=16, hidden=(6,), n_classes=5, max_delay=8, tau=1.5, dropout=0.0)
    stage = DelayStage(name="a", network=network, test_each_epoch=True, **vars(RECIPE))
    data = DataSplits(TRAIN, HELD_OUT, HELD_OUT)
    panel = watch(run_experiment, delay_experiment(stage), data, tmp_path, live=False)
    assert "test_accuracy" in panel.result().last.history[0]
    picture = panel._panel.static
    assert "valid accuracy" in picture.alt
    assert "test" not in picture.alt and not any("test" in name for name in picture.numbers)


def test_a_job_that_was_watched_is_done_for_the_comparison(tmp_path, monkeypatch):
    network = DelayNetConfig(n_in=16, hidden=(6,), n_classes=5, max_delay=8, tau=1.5, dropout=0.0)
    job = delay_experiment(DelayStage(name="a", network=network, **vars(RECIPE)))
    data = DataSplits(TRAIN, HELD_OUT, HELD_OUT)
    outcome = watch(run_experiment, job, data, tmp_path, live=False).result()
    monkeypatch.setattr(snnlab_training, "train_step", None)  # no step is left
    again = run_experiment(job, data, tmp_path)
    assert (
        again.last.history == outcome.last.history and again.test_accuracy == outcome.test_accuracy
    )


# What is seen
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spoken:
    """Lags as if they were words: with a time step in ms, and names."""

    data: object = HELD_OUT
    dt_ms: float = 20.0
    classes: tuple = ("zero", "one", "two", "three", "four")

    @property
    def labels(self):
        return self.data.labels

    def __len__(self):
        return len(self.data)

    def batch(self, index):
        return self.data.batch(index)

    def index_batches(self, *arguments, **options):
        return self.data.index_batches(*arguments, **options)

    def batches(self, *arguments, **options):
        return self.data.batches(*arguments, **options)

    def rising(self, x):
        return x.flip(-1)


def test_the_alt_text_has_the_numbers_of_the_data(tmp_path):
    panel = watched(tmp_path / "c.pt", valid=Spoken(), live=False)
    alt, result = panel._panel.static.alt, panel.result()
    line = result.history[-1]
    assert f"after 3 of 3 epochs; loss {line['loss']:.3f};" in alt
    assert (
        f"train accuracy {100 * line['train_accuracy']:.1f} %; "
        f"valid accuracy {100 * line['valid_accuracy']:.1f} %" in alt
    )
    x, labels = HELD_OUT.batch(torch.arange(16))
    activity = discretise(result.model).activity(x[:, :1])
    counts = [int(x[:, 0].sum()), *(int(s.sum()) for s in activity.spikes)]
    assert (
        f"({Spoken().classes[labels[0]]}): input {counts[0]}, "
        f"layer 1 {counts[1]}, layer 2 {counts[2]};" in alt
    )
    for name, layer in zip(("layer 1", "layer 2", "readout"), result.model.synapses, strict=True):
        found = delay_statistics(layer, 20.0)
        assert (
            f"delays of {name}: {100 * found.share_at_zero:.1f} % at 0, "
            f"{100 * found.share_at_max:.1f} % at 320 ms" in alt
        )
    assert f"; sigma {line['sigma']:.2f} steps;" in alt and 0.5 < line["sigma"] < 8
    with torch.no_grad():
        several = discretise(result.model).activity(x)
    steps = int(several.valid.sum())
    rates = [
        1000 / 20 * float(s[several.valid].sum()) / (steps * s.shape[2]) for s in several.spikes
    ]
    assert f"spikes a second of a neuron: layer 1 {rates[0]:.3g}, layer 2 {rates[1]:.3g};" in alt


def view_of(snapshot):
    fig = Figure()
    monitor_view.MonitorView(fig, snapshot).draw(snapshot, snapshot.delays)
    return fig


@pytest.mark.parametrize("epochs", [3, 4000, 100_000])
def test_the_last_tick_label_is_not_cut_off(epochs):
    seen = take_snapshot(TrainingProgress(net(), RECIPE, Spoken(), [], None, BATCHES, None))
    fig = Figure(monitor_view.FIGSIZE)
    monitor_view.MonitorView(fig, replace(seen, total_epochs=epochs)).draw(seen, seen.delays)
    canvas = CachedTextCanvas(fig)
    canvas.draw()
    for ax in fig.axes:
        assert ax.get_tightbbox(canvas.get_renderer()).x1 <= fig.bbox.x1


def test_a_moment_becomes_arrays():
    model, valid = net(), Spoken()
    first = take_snapshot(TrainingProgress(model, RECIPE, valid, [], None, BATCHES, None))
    x = HELD_OUT.batch(torch.arange(1))[0][:, 0]
    steps = len(first.rasters["input"])
    assert steps == int(x.any(1).nonzero().max()) + 1 + 16 and first.rasters["layer 2"].shape == (
        steps,
        8,
    )
    assert np.array_equal(first.rasters["input"][: len(x)], x.flip(-1)[:steps].numpy())
    assert (first.max_delay, first.unit, first.dt, first.sigma) == (
        320.0,
        "ms",
        20.0,
        pytest.approx(8.27),
    )
    assert np.allclose(first.delays["layer 1"], model.synapses[0].delay_ms(20.0).flatten().numpy())
    # What it uses is the network itself, with dropout and batch norm
    raw = Recipe(epochs=1, batch_size=1)
    twice = [
        take_snapshot(TrainingProgress(model, raw, valid, [], None, BATCHES, None)).rasters
        for _ in range(2)
    ]
    assert all(np.array_equal(twice[0][name], twice[1][name]) for name in first.rasters)
    without = take_snapshot(
        TrainingProgress(net(delay_mode="none"), RECIPE, HELD_OUT, [], None, BATCHES, None)
    )
    assert (
        without.delays == {}
        and without.sigma == 0
        and without.unit == "steps"
        and without.sample == f"class {int(HELD_OUT.labels[0])}"
    )
    assert without.rate_unit == "spikes a step"
    relu = take_snapshot(
        TrainingProgress(net(neuron="relu"), RECIPE, HELD_OUT, [], None, BATCHES, None)
    )
    assert relu.rate_unit == "mean activation"
    assert "; activations for one sample of validation (class" in monitor_view.describe(relu)
    titles = {ax.get_title() for ax in view_of(relu).axes}
    assert "no spikes yet: activations, darker = more" in titles
    titles = {ax.get_title() for ax in view_of(without).axes}
    assert titles >= {"spikes", "firing rates of the neurons"}


def test_a_pruned_network_is_looked_at_and_trained_elsewhere():
    model = net()
    prune.l1_unstructured(model.synapses[0], "weight", 0.5)
    model(HELD_OUT.batch(torch.arange(1))[0])
    for recipe in (RECIPE, Recipe(epochs=1, batch_size=1)):
        assert take_snapshot(
            TrainingProgress(model, recipe, HELD_OUT, [], None, BATCHES, None)
        ).rasters
    trained = []

    def keep(model, callbacks):
        trained.append(model)

    control = MonitorControl()
    callback.train_monitored(
        keep, (model,), {}, control, lambda report: None, live=False, threads=None, is_rank=True
    )
    (other,) = trained
    assert other is not model and torch.equal(
        other.synapses[0].weight_mask, model.synapses[0].weight_mask
    )
    assert isinstance(other.synapses[0].weight_orig, torch.nn.Parameter)


def test_axes_grow_to_what_they_have_to_show():
    model, fig = net(), Figure()
    seen = take_snapshot(TrainingProgress(model, RECIPE, HELD_OUT, [], None, BATCHES, None))
    view = monitor_view.MonitorView(fig, seen)
    model.synapses[0].delay = torch.zeros_like(model.synapses[0].delay)
    line = {
        "loss": 20.0,
        "valid_loss": 3.0,
        "train_accuracy": 0.5,
        "valid_accuracy": 0.25,
        "sigma": 4.0,
    }
    now = take_snapshot(TrainingProgress(model, RECIPE, HELD_OUT, [line], None, BATCHES, None))
    alt, numbers = view.draw(now, seen.delays)
    assert "delays of layer 1: 100.0 % at 0, 0.0 % at 16 steps" in alt and "sigma 8.27" in alt
    shown = {key: [value] for key, value in line.items() if key != "sigma"}
    assert numbers == {"epoch": [1], **shown}
    axes = {ax.get_ylabel(): ax for ax in fig.axes}
    assert axes["loss"].get_ylim() == (0, 20) and axes["accuracy (%)"].get_ylim()[1] > 100
    assert [text.get_text() for text in axes["loss"].get_legend().get_texts()] == [
        "train",
        "validation",
    ]
    assert axes["synapses (%)"].get_ylim()[1] == 101  # 12 x 16 of 328 delays are 0
    assert axes["synapses (%)"].texts[0].get_text() == "sigma 8.3 steps"
    drawn = {line.get_label(): line.get_ydata()[0] for line in axes["accuracy (%)"].lines}
    assert drawn == {"train": 50.0, "validation": 25.0}
    grey = np.zeros_like(now.rasters["layer 1"])
    grey[:3, 0] = 1, 2, 4  # what a network without spikes gives out
    view.draw(replace(now, rasters=now.rasters | {"layer 1": grey}), seen.delays)
    assert view._layers._grey[0, :4].tolist() == [63, 127, 255, 0]


def test_rates_are_a_histogram_whose_axis_grows():
    model = net(delay_mode="none")
    seen = take_snapshot(TrainingProgress(model, RECIPE, HELD_OUT, [], None, BATCHES, None))
    rates = {"layer 1": np.linspace(0, 7, 12), "layer 2": np.array([0.0] * 6 + [6.9, 7.0])}
    seen = replace(seen, rates=rates)
    (ax,) = (ax for ax in view_of(seen).axes if ax.get_ylabel() == "neurons (%)")
    assert ax.get_xlim() == (0, 7) and ax.get_ylim() == (0, 101)
    second = ax.patches[1].get_data().values
    assert (second[0], second[-1], second.sum()) == (75, 25, 100)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["layer 1", "layer 2"]


def test_numbers_are_a_table_where_they_are_wanted(tmp_path):
    panel = watched(tmp_path / "c.pt")
    history = panel.result().history
    assert panel.box.numbers.table.value == ""
    panel.box.numbers.switch.value = True
    rows = re.findall(
        r'<tr><th scope="row">(\d)</th><td>([\d.]+)</td>', panel.box.numbers.table.value
    )
    assert rows == [(str(n), f"{line['loss']:.4g}") for n, line in enumerate(history, 1)]
    for widget in (*panel.box.buttons.values(), panel.box.numbers.switch):
        assert widget.description and widget.tooltip
    assert 'role="status"' in panel.box.status.value
    assert "<details>" in panel._panel.static._repr_mimebundle_()["text/html"]


def test_the_time_left(monkeypatch):
    epoch_state = EpochState(torch.device("cpu"), time.process_time)
    epoch_state.batches = 2
    progress = TrainingProgress(None, RECIPE, None, [{}, {}], epoch_state, BATCHES, None)
    # 1.4 epochs in 70 s, and 0.6 to come
    monkeypatch.setattr(box.time, "perf_counter", lambda: 170.0)
    went_on = 100.0, 1.0  # from a checkpoint after the first epoch
    assert (
        box.status_line("running", progress, went_on, None)
        == "Training: epoch 3 of 3, batch 3 of 5, 0:30 left"
    )
    assert (
        box.status_line("running", progress, (170.0, 2.4), None)
        == "Training: epoch 3 of 3, batch 3 of 5"
    )


def drawn_in(monkeypatch, seconds, *, first=0.25, others=(0.04,), stages=1, after=0):
    """A training of batches of 10 ms besides pictures: when these begin, and what they cost.

    `after` so many epochs it goes on, in the validation.
    """
    now, batches, control = [1000.0], round(100 * seconds / stages), MonitorControl()
    monkeypatch.setattr(callback.time, "perf_counter", lambda: now[0])
    drawn, costs = [], []

    def look(progress, earlier):
        drawn.append(now[0] - 1000.0)
        costs.append(others[len(costs) % len(others)] if costs else first)
        now[0] += 0.01

    def tell(report):
        if len(costs) > told[0]:
            told[0] += 1
            now[0] += costs[-1] - 0.01
            control.drawing_seconds.value += costs[-1] - 0.01

    told = [0]
    monkeypatch.setattr(callback, "take_snapshot", look)
    monitor_callback = MonitorCallback(control, tell, live=True)
    model, recipe = net(), replace(RECIPE, epochs=5)

    def progress(epoch, epoch_state):
        return TrainingProgress(
            model, recipe, HELD_OUT, [{}] * epoch, epoch_state, batches // 5, Path("c.pt")
        )

    for _ in range(stages):
        monitor_callback.on_train_start(progress(0, None))
        for batch in range(batches):
            epoch_state = EpochState(torch.device("cpu"), time.process_time)
            epoch, epoch_state.batches = (
                (after - 1, batches // 5) if after else divmod(batch, batches // 5)
            )
            monitor_callback.on_batch_start(progress(epoch, epoch_state))
            now[0] += 0.01
    monitor_callback.finish()
    return np.array(drawn), np.array(costs)


@pytest.mark.parametrize("stages", [1, 2])
@pytest.mark.parametrize("others", [(0.04,), (0.04, 0.04, 0.1)])
@pytest.mark.parametrize("seconds", [12, 30, 200])
def test_all_pictures_together_take_no_more_than_their_share(monkeypatch, seconds, others, stages):
    drawn, costs = drawn_in(monkeypatch, seconds, others=others, stages=stages)
    assert drawn[0] == 0 and min(np.diff(drawn[:-1])) >= callback.INTERVAL
    assert drawn[-1] == pytest.approx(seconds + sum(costs[:-1]), abs=0.02)
    assert callback.BUDGET * seconds - 0.15 <= sum(costs) <= 0.05 * seconds


def test_the_first_picture_is_paid_for_evenly(monkeypatch):
    drawn, _ = drawn_in(monkeypatch, 20)
    assert drawn[1] < 3 and max(np.diff(drawn)) < 3  # all at once, it would be after 6 s


def test_where_nothing_but_validation_is_to_come_there_are_pictures(monkeypatch):
    drawn, costs = drawn_in(monkeypatch, 12, after=5)
    assert len(drawn) > 2 and sum(costs) <= 0.05 * 12


def test_what_cannot_be_afforded_is_not_drawn_but_at_both_ends(monkeypatch):
    drawn, _ = drawn_in(monkeypatch, 5, first=0.4)
    assert len(drawn) == 2 and drawn[0] == 0 and drawn[1] > 5


def test_a_picture_depends_on_what_was_seen_last_alone():
    model = net()
    first = take_snapshot(TrainingProgress(model, RECIPE, Spoken(), [], None, BATCHES, None))
    lines = [
        {
            "loss": 40.0,
            "valid_loss": 1.5,
            "train_accuracy": 0.5,
            "valid_accuracy": 0.25,
            "sigma": 40.0,
        }
    ]
    rasters = first.rasters | {"layer 1": 9 * first.rasters["layer 1"]}
    rates = {name: 700 + rate for name, rate in first.rates.items()}
    high = replace(first, history=lines, rates=rates, rasters=rasters, sigma=40.0)
    moved = {name: np.zeros_like(delays) for name, delays in first.delays.items()}
    last = replace(first, history=[{"loss": 0.7, "twin_accuracy": 0.5, "sigma": 3.0}])

    def picture(*seen):
        view = monitor_view.MonitorView(fig := Figure(), seen[0][0])
        canvas = CachedTextCanvas(fig)
        for one in seen:
            words = view.draw(*one)
        canvas.draw()
        for ax in fig.axes:
            for artist in ax.get_children():
                if artist.get_animated():
                    ax.draw_artist(artist)
        return words, np.asarray(canvas.buffer_rgba())

    words, expected = picture((last, moved))
    again, found = picture(
        (first, first.delays), (replace(high, delays=moved), first.delays), (last, moved)
    )
    assert words == again
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        ([0.0], 1),
        ([], 1),
        ([-0.3, -0.1], 1),
        ([math.nan, 2.3], 3),
        ([0.012], 0.015),
        ([1.0], 1),
        ([100.0, 7], 100),
        ([101], 150),
        ([7.1], 10),
    ],
)
def test_limits_are_round(values, limit):
    assert monitor_view._ceiling(values) == pytest.approx(limit)


# What goes wrong
# ------------------------------------------------------------------------------------------------


class Broken(Gate):
    mended = False

    def batches(self, *arguments, **options):
        for number, batch in enumerate(self.data.batches(*arguments, **options)):
            if number == 3 and not self.mended:
                raise ZeroDivisionError("in the batch")
            yield batch


def test_an_exception_in_the_thread_reaches_the_reader(tmp_path, whole):
    broken = Broken(TRAIN)
    panel = watched(tmp_path / "c.pt", broken)
    with pytest.raises(ZeroDivisionError, match="in the batch"):
        panel.result()
    assert panel.state == "failed" and possible(panel) == {"Continue"}
    assert (
        '<div role="alert">Failed (epoch 1 of 3, batch 4 of 5): in the batch</div>'
        in panel.box.status.value
    )
    broken.mended = True
    panel.resume()
    same_fits(panel.result(), whole[0])
    with pytest.raises(ZeroDivisionError, match="in the batch"):
        watched(tmp_path / "other.pt", Broken(TRAIN), live=False)


def test_a_cell_that_awaits_leaves_the_kernel_free_and_gets_the_result(tmp_path, gate, whole):
    panel = watched(tmp_path / "c.pt", gate)

    async def cells():
        waiting = asyncio.create_task(awaited(panel))
        await asyncio.sleep(0.3)  # meanwhile a click is heard
        click(panel, "Pause")
        click(panel, "Continue")
        gate.allow()
        return await waiting

    async def awaited(panel):
        return await panel

    same_fits(on_a_loop(cells()), whole[0])
    held = Gate(TRAIN, allowed=2)
    panel = watched(tmp_path / "other.pt", held)

    async def interrupted():
        waiting = asyncio.create_task(awaited(panel))
        await asyncio.sleep(0.3)
        threading.Thread(
            target=lambda: (eventually(lambda: panel._control.stopped), held.allow(1))
        ).start()
        waiting.cancel()
        await waiting

    with pytest.raises(SnnlabError, match="was stopped"):
        on_a_loop(interrupted())


def test_without_a_checkpoint_nothing_is_watched():
    with pytest.raises(
        SnnlabError, match="watch: a training that can be stopped needs a checkpoint"
    ):
        watched(None, live=False)


def test_an_interrupt_while_waiting_stops_and_keeps_the_checkpoint(tmp_path, gate):
    panel = watched(tmp_path / "c.pt", gate)
    gate.allow(2)
    eventually(lambda: gate.given == 2)

    def interrupt():
        signal.raise_signal(signal.SIGINT)
        eventually(lambda: panel._control.stopped)
        gate.allow(1)

    threading.Timer(0.3, interrupt).start()
    with pytest.raises(SnnlabError, match=r"was stopped \(epoch 1 of 3, batch 3 of 5\)"):
        panel.result()
    assert checkpoints.load(tmp_path / "c.pt")["under_way"]["batches"] == 2


def test_python_ends_cleanly_while_a_training_runs(tmp_path):
    script = f"""if True:
        import sys, time
        sys.path[:0] = {[str(HERE), str(HERE.parent / "helpers")]}
        import dataclasses, test_monitor as t
        t.RECIPE = dataclasses.replace(t.RECIPE, epochs=10_000)
        panel = t.watched({str(tmp_path / "c.pt")!r})
        t.eventually(lambda: getattr(panel._progress, "epoch_state", None) is not None)
    """
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert checkpoints.load(tmp_path / "c.pt")["under_way"] is not None


MUTED = """
import threading
publish = t.monitor.TrainingMonitor._publish
def only_from(main):
    def published(self, **update):
        in_main = threading.current_thread() is threading.main_thread()
        if update == {"update": False} or main == in_main:
            publish(self, **update)
    t.monitor.TrainingMonitor._publish = published
"""


def test_a_notebook_without_a_page_keeps_the_last_picture(tmp_path):
    """Cells run one after another, as papermill does it: the last picture comes from the thread,
    and again from who waits."""
    nbformat, client = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    cells = [
        (
            f"import sys\nsys.path[:0] = {[str(HERE), str(HERE.parent / 'helpers')]}\n"
            f"import test_monitor as t\n{MUTED}"
        )
    ]
    for main in (True, False):
        cells += [
            (
                f"only_from(main={main})\n"
                f"panel = t.watched({str(tmp_path / f'{main}.pt')!r}, live=True)\npanel"
            ),
            "len((await panel).history)",
        ]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client.NotebookClient(nb, timeout=300, kernel_name="python3").execute()
    for cell, waited in (nb.cells[1:3], nb.cells[3:5]):
        (shown,) = cell.outputs
        assert "after 3 of 3 epochs" in shown["data"]["text/plain"]
        assert {"image/png", "text/html", "application/vnd.jupyter.widget-view+json"} <= shown[
            "data"
        ].keys()
        assert waited.outputs[0]["data"]["text/plain"] == "3"


@pytest.mark.parametrize("live", [False, True])
def test_the_training_has_as_many_threads_as_it_was_given(live, tmp_path):
    before, seen = torch.get_num_threads(), []

    def train(**hook):
        seen.append(torch.get_num_threads())
        return fit(
            net(), TRAIN, HELD_OUT, replace(RECIPE, epochs=1), checkpoint=tmp_path / "c.pt", **hook
        )

    for threads in (1, 2, None):
        watch(train, live=live, threads=threads).result()
    assert seen[:2] == [1, 2] and torch.get_num_threads() == before
