"""Tiles in device memory: gather, run and blend on a CUDA device."""
