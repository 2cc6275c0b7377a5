"""A spiking network with delays in Brian2, exported by snnlab.

    python THIS_FILE RECORDING.npy

prints the class and the number of spikes of each hidden layer. The recording has the spike counts
(T, N_in) of its time steps. `run` returns all spikes and potentials.

Within a time step Brian2 updates neurons before it delivers spikes, so each layer lags one step
behind the layer before it: layer 0 by one step, layer 1 by two. `run` takes this lag out again.
Neurons are kept at 0 until the first step that counts for them.
"""

import base64
import io
import sys
from typing import Any

import brian2 as b2
import numpy as np

ARRAYS = ""
b2.prefs.codegen.target = "numpy"  # "cython" is faster in large networks, and compiles first
Array = np.ndarray[Any, Any]


def run(x: Array) -> tuple[list[Array], Array]:
    """Simulate a recording, and the tail after its last spike.

    Args:
        x: spike counts, (T, N_in).

    Returns:
        The spikes of each hidden layer, (T', N) of bool, and the potentials of the readout, (T',
        classes).
    """
    net = np.load(io.BytesIO(base64.b64decode(ARRAYS)))
    n_layers, n_in = int(net["layers"]), int(net["n_in"])
    times, channels = x.nonzero()
    steps = max(int(times.max(initial=-1)) + 1 + int(net["tail"]), 1)
    dt = float(net["dt_ms"]) * b2.ms
    b2.start_scope()
    b2.defaultclock.dt = dt
    # Brian2 has one spike a channel and step: further ones come from copies of the channels
    copies = max(int(x.max(initial=1)), 1)
    exists = [x[times, channels] > n for n in range(copies)]
    index = np.concatenate([channels[exists[n]] + n * n_in for n in range(copies)])
    when = np.concatenate([times[exists[n]] for n in range(copies)])
    source = b2.SpikeGeneratorGroup(n_in * copies, index, when * dt)
    parts: list[Any] = [source]
    monitors = []
    for number in range(n_layers):
        layer = {
            name: net[f"{name}_{number}"]
            for name in ("source", "target", "delay", "weight", "bias", "tau", "threshold")
        }
        fires = bool(np.isfinite(layer["threshold"]).all())
        neurons = b2.NeuronGroup(
            len(layer["bias"]),
            "v : 1\ncurrent : 1\nbeta : 1 (constant)\nbias : 1 (constant)\ntheta : 1 (constant)",
            threshold="v >= theta" if fires else None,
            reset="v = 0" if fires else None,
            namespace={"first": number + 1},
        )
        neurons.beta, neurons.bias = 1 - 1 / layer["tau"], layer["bias"]
        neurons.theta = layer["threshold"]
        neurons.run_regularly(
            "v = (beta * v + current + bias) * int(t_in_timesteps >= first)\ncurrent = 0"
        )
        synapses = b2.Synapses(source, neurons, "w : 1", on_pre="current_post += w")
        repeated = range(copies if number == 0 else 1)
        synapses.connect(
            i=np.concatenate([layer["source"] + n * n_in for n in repeated]),
            j=np.concatenate([layer["target"] for _ in repeated]),
        )
        synapses.w = np.concatenate([layer["weight"] for _ in repeated])
        synapses.delay = np.concatenate([layer["delay"] for _ in repeated]) * dt
        monitors.append(
            b2.SpikeMonitor(neurons) if fires else b2.StateMonitor(neurons, "v", True, when="end")
        )
        parts += [neurons, synapses, monitors[-1]]
        source = neurons
    b2.Network(*parts).run((steps + n_layers) * dt, namespace={})

    spikes = []
    for number, monitor in enumerate(monitors[:-1]):
        raster = np.zeros((steps + n_layers, len(net[f"bias_{number}"])), dtype=bool)
        raster[np.rint(monitor.t / dt).astype(int), monitor.i] = True
        spikes.append(raster[number + 1 :][:steps])
    return spikes, np.array(monitors[-1].v.T[n_layers:])


def main() -> None:
    """Simulate the recording that the command line names."""
    spikes, potentials = run(np.load(sys.argv[1]))
    share = np.exp(potentials - potentials.max(1, keepdims=True))
    scores = (share / share.sum(1, keepdims=True)).sum(0)
    print("class", scores.argmax(), "spikes", *(layer.sum() for layer in spikes))


if __name__ == "__main__":
    main()
