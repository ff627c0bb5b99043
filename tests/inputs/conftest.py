"""A web server, DNS answers, and a record of connections."""

from support.web_fixtures import connections, names, server

__all__ = ["connections", "names", "server"]
