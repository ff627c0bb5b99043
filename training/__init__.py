"""Training of the network `tilewright-photo`; see README.md."""
