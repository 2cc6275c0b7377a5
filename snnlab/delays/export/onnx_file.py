"""Export to ONNX: one `Scan` over the time steps, in float64.

The input `spikes` is (T, N_in), the steps of the tail included; the outputs are `spikes_0`, ... of
the hidden layers, (T, N), and `potentials`, (T, classes). The scan's states are the membranes and
the last inputs of each layer, as many steps as its largest delay needs.
"""

from pathlib import Path
from typing import Any

import numpy as np

from snnlab._utils.optional import import_optional
from snnlab.delays.export.plain import PlainLayer, PlainNetwork

OPSET, IR_VERSION = 13, 8  # old ones, so that old runtimes read the file


def write(plain: PlainNetwork, path: Path) -> None:
    """Write a network as an ONNX file."""
    onnx = import_optional("onnx", "writes ONNX files", "export")
    from_array = import_optional("onnx.numpy_helper", "writes ONNX files", "export").from_array
    make, double = onnx.helper, onnx.TensorProto.DOUBLE
    constants: dict[str, Any] = {"at": np.array([0])}
    states: dict[str, list[int]] = {}
    nodes: list[Any] = []
    sizes = {f"spikes_{n}": len(layer.bias) for n, layer in enumerate(plain.layers)}
    sizes["potentials"] = sizes.pop(f"spikes_{len(plain.layers) - 1}")
    x, n_in = "x", plain.n_in
    for number, (layer, output) in enumerate(zip(plain.layers, sizes, strict=True)):
        taps = int(layer.delay.max(initial=0)) + 1
        states[f"past_{number}"], states[f"v_{number}"] = [taps, n_in], [len(layer.bias)]
        constants |= {f"{name}_{number}": value for name, value in _constants(layer, n_in).items()}
        lines = [
            ("Unsqueeze", [x, "at"], "row"),
            ("Concat", ["row", "past"], "longer"),
            ("Slice", ["longer", "at", "taps", "at"], "past_next"),
            ("Reshape", ["past_next", "flat"], "inputs"),
            ("MatMul", ["inputs", "kernel"], "arriving"),
            ("Add", ["arriving", "bias"], "current"),
            ("Mul", ["v", "beta"], "left"),
            ("Add", ["left", "current"], "h"),
        ]
        if output == "potentials":
            lines += [("Identity", ["h"], "v_next"), ("Identity", ["h"], output)]
        else:
            lines += [
                ("GreaterOrEqual", ["h", "threshold"], "fires"),
                ("Where", ["fires", "zero", "h"], "v_next"),
                ("Cast", ["fires"], output),
            ]
        shared = {x, "at", output}
        for operator, inputs, result in lines:
            settings = {"Concat": {"axis": 0}, "Cast": {"to": double}}.get(operator, {})
            names = [name if name in shared else f"{name}_{number}" for name in (*inputs, result)]
            nodes.append(make.make_node(operator, names[:-1], names[-1:], **settings))
        x, n_in = output, len(layer.bias)

    def values(shapes: dict[str, list[Any]]) -> list[Any]:
        return [make.make_tensor_value_info(name, double, shape) for name, shape in shapes.items()]

    following = {name.replace("_", "_next_"): shape for name, shape in states.items()}
    body = make.make_graph(
        nodes,
        "step",
        values({**states, "x": [plain.n_in]}),
        values({**following, **{name: [size] for name, size in sizes.items()}}),
    )
    first = {f"{name}_first": np.zeros(shape) for name, shape in states.items()}
    scan = make.make_node(
        "Scan",
        [*first, "spikes"],
        [*(f"{name}_last" for name in states), *sizes],
        body=body,
        num_scan_inputs=1,
    )
    graph = make.make_graph(
        [scan],
        "snnlab",
        values({"spikes": ["T", plain.n_in]}),
        values({name: ["T", size] for name, size in sizes.items()}),
        [from_array(np.asarray(value), name) for name, value in (constants | first).items()],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    make.set_model_props(model, {"dt_ms": str(plain.dt_ms), "tail": str(plain.tail)})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _constants(layer: PlainLayer, n_in: int) -> dict[str, Any]:
    """Return the constants of a layer; `kernel` has the weights of all delays, (L * N_in, N)."""
    taps = int(layer.delay.max(initial=0)) + 1
    kernel = np.zeros((taps, n_in, len(layer.bias)))
    np.add.at(kernel, (layer.delay, layer.source, layer.target), layer.weight)
    return {
        "taps": np.array([taps]),
        "flat": np.array([taps * n_in]),
        "kernel": kernel.reshape(taps * n_in, -1),
        "bias": layer.bias,
        "beta": 1 - 1 / layer.tau,
        "threshold": layer.threshold,
        "zero": np.zeros(1),
    }
