"""Picture files: decoding and encoding with libvips and Pillow, and PNG writing row by row."""
