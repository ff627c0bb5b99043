"""Runs one of the service's official clients in its own environment, and serves its tasks from this process."""

from __future__ import annotations

import json
import os
import subprocess

# The client `runware` ignores a response with the status "processing", waits 30 seconds for another one, and polls
# again 3 seconds later. These variables shorten both times; they are in milliseconds.
TIMEOUTS = {"RUNWARE_VIDEO_INITIAL_TIMEOUT": "300", "RUNWARE_VIDEO_POLLING_DELAY": "50"}


class ServedClient:
    """A client in another process, served by an Upscaler in this process.

    Attributes:
        exchanges: The tasks that the client sent during the last call, and their envelopes.
    """

    def __init__(self, python, script, upscaler):
        """Starts the client.

        Args:
            python: Interpreter of the client's environment.
            script: Script in ``tests/clients`` that calls the client.
            upscaler: Runs the tasks.
        """
        self._upscaler = upscaler
        self._process = subprocess.Popen(
            [python, script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.defpath, **TIMEOUTS},
        )
        self.exchanges = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._process:
            self._process.stdin.close()

    def call(self, name, *, on_processing=lambda: None, **arguments):
        """Calls a method of the client, and serves the tasks that it sends.

        Args:
            name: Name of the method.
            on_processing: Called after a response with the status "processing".
            arguments: Arguments of the method.

        Returns:
            A dict with the key ``returned`` or ``raised``, as the script describes the outcome.
        """
        self.exchanges = []
        self._write({"call": name, **arguments})
        while "sent" in (message := json.loads(self._process.stdout.readline())):
            reply = self._upscaler.run(message["sent"])
            self.exchanges.append((message["sent"], reply))
            self._write(reply)
            if any(item.get("status") == "processing" for item in reply["data"]):
                on_processing()
        reached = message.pop("reached")
        assert not reached, f"the client tried to use the network: {reached}"
        return message

    def item(self):
        """Returns the only data item of the last response."""
        [item] = self.exchanges[-1][1]["data"]
        return item

    def statuses(self):
        """Returns the status of every item of the last call's responses, in order; None if an item has none."""
        return [item.get("status") for _, reply in self.exchanges for item in reply["data"] + reply.get("errors", [])]

    def _write(self, value):
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()
