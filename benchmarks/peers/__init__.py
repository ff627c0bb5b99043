"""Other implementations of the same network, one module each, as their users run them.

Each module has a function ``load``, which returns a function from uint8 pixels
``[height, width, 3]`` to uint8 pixels ``[height * 4, width * 4, 3]``.

The modules in `graphs` run whole graphs, from floats to floats.
"""
