"""Imports networks from ncnn `.param` and `.bin` files."""
