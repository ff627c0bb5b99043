"""Tiles in host memory: gather, run and blend on the CPU side."""
