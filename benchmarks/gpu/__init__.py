"""Benchmarks for a machine with a CUDA device, run by `gpu.sh`; see docs/benchmarks.md."""
