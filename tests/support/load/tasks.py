"""The tasks of a load. They follow from its size and the round, so that all processes know them."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from functools import cache
from random import Random

from support.server_tasks import picture

FACTOR = 2
SLOW_FACTOR = 4

# Width and height in pixels. Clients take turns with them.
_SIZES = ((8, 6), (64, 48))

# A picture of noise, whose result is large: about 2 MB in base64.
SLOW_SIZE = (256, 256)

# Tasks of each client that vanishes.
_VANISHED_TASKS = 2


@dataclass(frozen=True)
class Load:
    """How many clients there are, and what they do.

    Attributes:
        clients: Clients whose tasks are checked.
        tasks_each: Small tasks of each of them.
        slow: Clients that ask for a large result and read it slowly.
        garbage: Connections that send garbage.
        vanishing: Clients that send tasks and reset the connection.
        seconds: Seconds over which garbage and vanishing clients are spread.
        slow_size: Width and height of the pictures of slow clients.
    """

    clients: int = 200
    tasks_each: int = 5
    slow: int = 32
    garbage: int = 50
    vanishing: int = 20
    seconds: float = 8.0
    slow_size: tuple[int, int] = SLOW_SIZE

    def as_json(self):
        """Returns it as a dict of JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values):
        """Returns a load from `as_json`."""
        return cls(**{**values, "slow_size": tuple(values["slow_size"])})


def size_of(client):
    """Width and height of the pictures of a client."""
    return _SIZES[client % len(_SIZES)]


@cache
def _small_picture(client, number):
    return "data:image/png;base64," + picture(*size_of(client), seed=1000 * client + number)


@cache
def _large_picture(size, number):
    return picture(*size, seed=number)


def _task(random, **fields):
    return {"taskType": "imageUpscale", "taskUUID": str(uuid.UUID(int=random.getrandbits(128), version=4)), **fields}


def small_tasks(load, round_name):
    """Returns the tasks of each client. Every picture is another one; rounds differ in their taskUUIDs."""
    random = Random(f"small {round_name}")
    return [
        [
            _task(random, inputImage=_small_picture(client, number), upscaleFactor=FACTOR, outputType="URL")
            for number in range(load.tasks_each)
        ]
        for client in range(load.clients)
    ]


def slow_tasks(load, round_name):
    """Returns the task of each client that reads slowly."""
    random = Random(f"slow {round_name}")
    large = {"upscaleFactor": SLOW_FACTOR, "outputType": "base64Data", "outputFormat": "PNG"}
    return [_task(random, inputImage=_large_picture(load.slow_size, number), **large) for number in range(load.slow)]


def vanishing_tasks(load, round_name):
    """Returns the tasks of each client that vanishes."""
    random = Random(f"vanishing {round_name}")
    return [
        [
            _task(random, inputImage=_small_picture(client, number), upscaleFactor=FACTOR)
            for number in range(_VANISHED_TASKS)
        ]
        for client in range(load.vanishing)
    ]
