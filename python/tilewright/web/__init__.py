"""HTTP requests to hosts on the public internet, by URLs that may come from untrusted users."""
