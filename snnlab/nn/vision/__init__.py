"""Networks of the transfer experiments: for images, event frames and video.

Each network is an ANN or a spiking network, depending on its mode; see `snnlab.nn.activations`.

- `base`: what they share;
- `small_cnn`: the network of the course;
- `resnet`: ResNet-18 and -34 of Lin et al. 2022;
- `video`: their encoder with an LSTM.
"""
