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
        x: spike counts or features, (T, N_in).

    Returns:
        The spikes of each hidden layer, (T', N) of bool, and the potentials of the readout, (T',
        classes).

    Raises:
        ValueError: the recording is no array of finite numbers for this network.
    """
    net = np.load(io.BytesIO(base64.b64decode(ARRAYS)))
    n_layers, n_in = int(net["layers"]), int(net["n_in"])
    if x.ndim != 2 or x.shape[1] != n_in or not np.isfinite(x).all():
        raise ValueError(
            f"the recording of shape {x.shape} does not fit: expected finite numbers "
            f"(T, {n_in}); bin it as the recordings that the network was trained on."
        )
    times, channels = x.nonzero()
    steps = max(int(times.max(initial=-1)) + 1 + int(net["tail"]), 1)
    dt = float(net["dt_ms"]) * b2.ms
    b2.start_scope()
    b2.defaultclock.dt = dt
    # A spike that is sent at t has the size x[t]: a count, or a feature
    sizes = b2.TimedArray(x, dt=dt)
    source = b2.SpikeGeneratorGroup(n_in, channels, times * dt)
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
        monitors.append(
            b2.SpikeMonitor(neurons) if fires else b2.StateMonitor(neurons, "v", True, when="end")
        )
        parts += [neurons, monitors[-1]]
        if len(layer["source"]):  # Brian2 refuses to connect none
            size = " * sizes(t - delay, i)" if number == 0 else ""
            synapses = b2.Synapses(source, neurons, "w : 1", on_pre=f"current_post += w{size}")
            synapses.connect(i=layer["source"], j=layer["target"])
            synapses.w = layer["weight"]
            synapses.delay = layer["delay"] * dt
            parts.append(synapses)
        source = neurons
    b2.Network(*parts).run((steps + n_layers) * dt, namespace={"sizes": sizes})

    spikes = []
    for number, monitor in enumerate(monitors[:-1]):
        raster = np.zeros((steps + n_layers, len(net[f"bias_{number}"])), dtype=bool)
        raster[np.rint(monitor.t / dt).astype(int), monitor.i] = True
        spikes.append(raster[number + 1 :][:steps])
    return spikes, np.array(monitors[-1].v.T[n_layers:])


def main() -> None:
    """Simulate the recording that the command line names."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        spikes, potentials = run(np.load(sys.argv[1]))
    except (OSError, ValueError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
    share = np.exp(potentials - potentials.max(1, keepdims=True))
    scores = (share / share.sum(1, keepdims=True)).sum(0)
    print("class", scores.argmax(), "spikes", *(layer.sum() for layer in spikes))


if __name__ == "__main__":
    main()
