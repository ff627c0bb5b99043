"""Programmes for a machine with a CUDA device, which `gpu.sh` runs one after the other; see docs/benchmarks.md."""
