"""One of the service's official clients, in an environment of its own, whose tasks are run here."""

from __future__ import annotations

import json
import os
import subprocess

# `runware` drops an answer that says "processing" and waits 30 seconds for another, and 3 more before it asks again.
# Here it is less, in milliseconds.
PATIENCE = {"RUNWARE_VIDEO_INITIAL_TIMEOUT": "300", "RUNWARE_VIDEO_POLLING_DELAY": "50"}


class ServedClient:
    """A client in its environment, served by an Upscaler in this process.

    Attributes:
        exchanges: the tasks that the last call sent, and their envelopes.
    """

    def __init__(self, python, script, upscaler):
        """Starts it.

        Args:
            python: the interpreter of its environment.
            script: makes its calls, see ``clients``.
            upscaler: runs its tasks.
        """
        self._upscaler = upscaler
        self._process = subprocess.Popen(
            [python, script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.defpath, **PATIENCE},
        )
        self.exchanges = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._process:
            self._process.stdin.close()

    def call(self, name, *, on_processing=lambda: None, **arguments):
        """Makes the client do something.

        Args:
            name: of one of its methods.
            on_processing: called when it has been told that a task is not done yet.
            arguments: of the method.

        Returns:
            What it gave, as the script describes it: ``returned`` or ``raised``.
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
        assert not reached, f"reached for the network: {reached}"
        return message

    def item(self):
        """The item that the last call was answered with at last."""
        [item] = self.exchanges[-1][1]["data"]
        return item

    def statuses(self):
        """Of all items that the last call was answered with, in order; None where an item has none."""
        return [item.get("status") for _, reply in self.exchanges for item in reply["data"] + reply.get("errors", [])]

    def _write(self, value):
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()
