"""Learned delays (Hammouamri et al. 2024): training, ablations and analysis.

`recipe` and `experiments` train networks, `ablation` and `statistics` change and measure delays,
`chip_cost` measures the operations and the memory that a chip needs for them,
`loading`, `analysis`, `arrivals` and `snapshots` explore a trained network, and `import_snn_delays`
reads networks of the paper's own code.
"""
