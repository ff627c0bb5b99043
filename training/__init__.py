"""How the networks `tilewright-photo` are made; see README.md."""
