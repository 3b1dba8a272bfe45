"""Graphs, weights and user models: what is needed before anything can be measured.

`materialise` (numpy and hashlib only) turns a model's room into files in the cache; `user_onnx` looks into an ONNX file
that a user brings; `author` is the developer's tool that writes the rooms. Importing this package imports none of them.
"""
