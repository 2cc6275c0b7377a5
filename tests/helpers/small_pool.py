"""Two small networks with delays, to be trained in two processes or in one."""

from dataclasses import replace

from killed_run import NET

from snnlab.data.datasets.toys import interaural_lags
from snnlab.data.splits import DataSplits
from snnlab.delays.experiments import DelayStage, delay_experiment
from snnlab.training.experiments import run_experiments


def train(folder, workers):
    """Return their test accuracies."""
    data = DataSplits(*(interaural_lags(n, seed=s, steps=30) for s, n in enumerate((200, 60, 60))))
    recipe = dict(epochs=2, batch_size=32, seed=3, device="cpu")
    experiments = [
        delay_experiment(DelayStage(name=mode, network=replace(NET, delay_mode=mode), **recipe))
        for mode in ("learned", "none")
    ]
    outcomes = run_experiments(experiments, data, folder, workers=workers)
    return [outcome.test_accuracy for outcome in outcomes]
