"""The same network by other ways, each as its users run it: one module per way, with a function `opened`.

`opened` gives a function from pixels uint8 ``[H, W, 3]`` to pixels uint8 ``[H * 4, W * 4, 3]``.
"""
