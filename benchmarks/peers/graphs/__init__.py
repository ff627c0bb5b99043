"""Runtimes for whole graphs, from floats to floats: no tiles and no conversions.

Each module has a function ``load``, which takes a `graph.Graph` and a number of threads, and returns
a `graph.Run`.
"""
