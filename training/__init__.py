"""How the network `tilewright-photo` is made; see README.md."""
