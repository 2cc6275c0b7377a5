"""Export of networks with delays: NIR, Brian2, ONNX and plain arrays; import from NIR.

`plain` describes a network by folded weights and rounded delays. `export`, `nir_file` and
`onnx_file` write that description; `nir_reader` reads it from a NIR file, and `nir_import` makes a
network of it.
"""
