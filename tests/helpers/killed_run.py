"""A whole run, from `runs.start` to its result, and a hand that kills it again and again; for
test_killed_run.

As a program: `python killed_run.py FOLDER KILLS`.
"""

import faulthandler
import os
import random
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from snnlab import runs
from snnlab.course import config
from snnlab.data.datasets.toys import interaural_lags
from snnlab.data.splits import DataSplits
from snnlab.delays.experiments import DelayStage, delay_experiment
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.training.experiments import run_experiments

NET = DelayNetConfig(n_in=16, hidden=(10,), n_classes=5, max_delay=8, tau=1.5, dropout=0.2)


def run(folder):
    """Two networks with delays, and what is saved of them."""
    started = runs.start(config.resolve("04_learning_delays", profile="tiny", out=str(folder)))
    data = DataSplits(*(interaural_lags(n, seed=s, steps=30) for s, n in enumerate((200, 60, 60))))
    recipe = dict(epochs=12, batch_size=32, seed=3, device="cpu", anneal_share=0.5)
    stages = [
        DelayStage(name=variant, network=replace(NET, delay_mode=variant), **recipe)
        for variant in ("learned", "none")
    ]
    experiments = [delay_experiment(stage) for stage in stages]
    outcomes = run_experiments(experiments, data, started.checkpoint_dir, workers=1)
    entries = [
        {"variant": o.experiment.name, "seed": 3, "test_accuracy": o.test_accuracy}
        for o in outcomes
    ]
    started.save_result(entries, {"name": "lags", "note": "made here"})


def harry(base, kills):
    """Kill runs in `base`/0, `base`/1 and so on, each until it has its result, at so many moments;
    `base`/whole is left alone.

    The moments are counted in time on the processor: a slow disk does not move them.
    """
    torch.set_num_threads(1)  # no threads that a fork would lose
    tqdm.monitor_interval = 0
    tqdm.set_lock(threading.RLock())  # not one of all processes, which a killed one would keep
    run(base / "whole")
    begin = time.process_time()
    run(base / "timed")  # compiled by now
    whole = time.process_time() - begin
    chance, number = random.Random(0), 0
    for _ in range(kills):
        moment = chance.uniform(0.001, 0.4 * whole)
        child = os.fork()
        if child == 0:
            signal.setitimer(signal.ITIMER_PROF, moment)  # ends the process, as SIGKILL does
            run(base / str(number))
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) not in (0, -signal.SIGPROF):
            sys.exit(f"{base / str(number)} could not be resumed.")
        if (base / str(number) / "result.json").exists():
            number += 1
    if (base / str(number)).exists():
        run(base / str(number))


if __name__ == "__main__":
    faulthandler.dump_traceback_later(600, exit=True)  # says where it waits for ever
    harry(Path(sys.argv[1]), int(sys.argv[2]))
