"""The program's entry points: ``python -m tilewright`` and the console script ``tilewright``.

Ctrl-C can come while modules are still imported, so nothing is imported before it is handled.
"""


def main() -> int:
    """Runs the command line and returns its exit status.

    Until a command handles Ctrl-C itself, nothing has been done that would need a cleanup: Ctrl-C
    ends the process at once, without a message, with the status 130.
    """
    try:
        import os
        import signal

        # An exception would be lost where Python calls back from C, as its import locks do.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))

        from tilewright.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    import sys

    sys.exit(main())
