"""Modules and functions on tensors, without knowledge of data sets or training.

- `neurons`, `lif_scan`: LIF, leaky integrator, and the compiled loop behind them;
- `activations`: one layer with six modes from ReLU to LIF, and the ramp neuron;
- `delay_linear`, `delay_kernels`, `fft_convolution`: a layer of synapses with delays;
- `channel_filter`, `transform_loops`, `products`, `threads`: what it computes with on a CPU;
- `delay_net`, `vision`, `network_config`: networks and their descriptions;
- `weight_transfer`: copies weights and delays from one network to another;
- `energy`: counts operations and spikes.
"""
