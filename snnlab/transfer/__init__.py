"""Transfer of weights from ANNs to spiking networks (Lin et al. 2022).

`stages` and `pipelines` build experiments such as pipe-S and pipe-D, `comparison` compares them at
equal time, `conversion` wraps SpikingJelly's converter, `similarity` measures networks.
"""
