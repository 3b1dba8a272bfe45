"""Meters: code that reads power or energy. They run in the sampler's process and import numpy, msgspec, stdlib only."""
