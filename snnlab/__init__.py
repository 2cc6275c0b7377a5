"""Learn, and run at full scale, weight transfer and learned delays in spiking neural networks.

The names in `__all__` are the public face. Each is loaded at its first use, so that `import snnlab`
is quick. All other modules are internal.
"""

from typing import TYPE_CHECKING

from snnlab._utils.lazy import lazy_getattr
from snnlab._utils.version import __version__ as __version__

if TYPE_CHECKING:
    from snnlab import course, runs
    from snnlab._utils.errors import SnnlabError
    from snnlab.data.batches.dense_set import DenseSet
    from snnlab.data.encoding.odg import odg_events
    from snnlab.data.registry import load_dataset
    from snnlab.data.splits import DataSplits
    from snnlab.delays.ablation import (
        discretise,
        quantise,
        scale_delays,
        shuffle_delays,
        zero_delays,
    )
    from snnlab.delays.experiments import DelayStage
    from snnlab.delays.export.export import export_network
    from snnlab.delays.loading import open_network
    from snnlab.delays.recipe import DelayRecipe
    from snnlab.delays.statistics import delay_statistics
    from snnlab.nn.activations import Activation
    from snnlab.nn.delay_linear import DelayLinear
    from snnlab.nn.delay_net import DelayNet
    from snnlab.nn.delay_net_config import DelayNetConfig
    from snnlab.nn.neurons import LIF, LeakyIntegrator, lif_step
    from snnlab.nn.weight_transfer import copy_delay_weights, copy_weights
    from snnlab.training.callbacks import Callback, StopTraining
    from snnlab.training.evaluation import EvalResult, evaluate
    from snnlab.training.experiments import Experiment, run_experiments
    from snnlab.training.recipe import Recipe
    from snnlab.training.trainer import FitResult, fit
    from snnlab.transfer.pipelines import pipe_d, pipe_s
    from snnlab.transfer.similarity import cka
    from snnlab.transfer.stages import Stage
    from snnlab.viz import plots

_NAMES = {
    "snnlab._utils.errors": "SnnlabError",
    "snnlab.data.batches.dense_set": "DenseSet",
    "snnlab.data.encoding.odg": "odg_events",
    "snnlab.data.registry": "load_dataset",
    "snnlab.data.splits": "DataSplits",
    "snnlab.delays.ablation": "discretise quantise scale_delays shuffle_delays zero_delays",
    "snnlab.delays.export.export": "export_network",
    "snnlab.delays.loading": "open_network",
    "snnlab.delays.experiments": "DelayStage",
    "snnlab.delays.recipe": "DelayRecipe",
    "snnlab.delays.statistics": "delay_statistics",
    "snnlab.nn.activations": "Activation",
    "snnlab.nn.delay_linear": "DelayLinear",
    "snnlab.nn.delay_net": "DelayNet",
    "snnlab.nn.delay_net_config": "DelayNetConfig",
    "snnlab.nn.neurons": "LIF LeakyIntegrator lif_step",
    "snnlab.nn.weight_transfer": "copy_delay_weights copy_weights",
    "snnlab.training.callbacks": "Callback StopTraining",
    "snnlab.training.evaluation": "EvalResult evaluate",
    "snnlab.training.experiments": "Experiment run_experiments",
    "snnlab.training.recipe": "Recipe",
    "snnlab.training.trainer": "FitResult fit",
    "snnlab.transfer.pipelines": "pipe_d pipe_s",
    "snnlab.transfer.similarity": "cka",
    "snnlab.transfer.stages": "Stage",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}
_MODULES |= {"course": "snnlab.course", "plots": "snnlab.viz.plots", "runs": "snnlab.runs"}
__getattr__ = lazy_getattr(__name__, _MODULES)

__all__ = [
    "LIF",
    "Activation",
    "Callback",
    "DataSplits",
    "DelayLinear",
    "DelayNet",
    "DelayNetConfig",
    "DelayRecipe",
    "DelayStage",
    "DenseSet",
    "EvalResult",
    "Experiment",
    "FitResult",
    "LeakyIntegrator",
    "Recipe",
    "SnnlabError",
    "Stage",
    "StopTraining",
    "cka",
    "copy_delay_weights",
    "copy_weights",
    "course",
    "delay_statistics",
    "discretise",
    "evaluate",
    "export_network",
    "fit",
    "lif_step",
    "load_dataset",
    "odg_events",
    "open_network",
    "pipe_d",
    "pipe_s",
    "plots",
    "quantise",
    "run_experiments",
    "runs",
    "scale_delays",
    "shuffle_delays",
    "zero_delays",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
