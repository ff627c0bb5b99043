"""A load for a running server: many clients, slow readers, garbage, and clients that vanish."""
