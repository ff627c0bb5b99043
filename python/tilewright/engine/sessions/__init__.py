"""Networks that are ready to run: one module per runtime, and the selection among them."""
