"""When deliveries are attempted, repeated and given up; nothing is sent."""

from __future__ import annotations

import threading

import pytest

from tilewright.errors import CancelledError
from tilewright.service import deliveries as module
from tilewright.service.deliveries import Deliveries, Delivery
from tilewright.web.errors import SendError


class Receiver:
    """Accepts deliveries, or not.

    Attributes:
        attempts: Descriptions of the deliveries that were attempted.
        most: Most attempts that were in progress at the same time.
        answer: An attempt waits for it.
    """

    def __init__(self, name="a.test:443", *, failures=0, error=None):
        self.name = name
        self.attempts = []
        self.current = self.most = 0
        self.answer = threading.Event()
        self.answer.set()
        self.begun = threading.Semaphore(0)
        self._failures = failures
        self._error = error or SendError("the server answers 500")
        self._lock = threading.Lock()

    def delivery(self, description="the result"):
        return Delivery(description, self.name, lambda stop: self._attempt(description, stop))

    def _attempt(self, description, stop):
        with self._lock:
            self.attempts.append(description)
            self.current += 1
            self.most = max(self.most, self.current)
            fails = len(self.attempts) <= self._failures
        self.begun.release()
        while not self.answer.wait(timeout=0.01):
            if stop.is_set():
                raise CancelledError("cancelled")
        with self._lock:
            self.current -= 1
        if fails:
            raise self._error


@pytest.fixture
def deliveries():
    made = Deliveries(pauses=(0, 0, 0))
    yield made
    made.finish(0)


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_delivery_is_attempted_once_if_it_succeeds(deliveries, caplog):
    receiver = Receiver()
    deliveries.add(receiver.delivery())
    deliveries.wait(60)
    assert receiver.attempts == ["the result"]
    assert caplog.records == []


def test_delivery_is_repeated_until_it_succeeds(deliveries, caplog):
    receiver = Receiver(failures=3)
    deliveries.add(receiver.delivery())
    deliveries.wait(60)
    assert len(receiver.attempts) == 4
    assert caplog.records == []


def test_delivery_is_given_up_after_the_last_attempt(deliveries, caplog):
    receiver = Receiver(failures=100)
    deliveries.add(receiver.delivery())
    deliveries.wait(60)
    assert len(receiver.attempts) == 4
    assert warnings(caplog) == ["the result: the server answers 500 (4 attempts)"]


def test_final_failure_is_not_repeated(deliveries, caplog):
    receiver = Receiver(failures=1, error=SendError("port 22", is_final=True))
    deliveries.add(receiver.delivery())
    deliveries.wait(60)
    assert warnings(caplog) == ["the result: port 22 (1 attempt)"]


def test_unexpected_failure_ends_one_delivery_only(deliveries, caplog):
    broken, working = Receiver(failures=1, error=SystemExit(3)), Receiver("b.test:443")
    deliveries.add(broken.delivery())
    deliveries.add(working.delivery())
    deliveries.wait(60)
    assert (len(broken.attempts), len(working.attempts)) == (1, 1)
    assert warnings(caplog) == ["the result: unexpected failure (1 attempt)"]
    assert [record.exc_info[0] for record in caplog.records if record.levelname == "ERROR"] == [SystemExit]


@pytest.mark.parametrize(
    ("asked", "pauses"), [(None, [1, 5, 25]), (3, [3, 5, 25]), (10**9, [60, 60, 60])], ids=["none", "short", "long"]
)
def test_pauses_grow_and_are_at_least_what_the_receiver_asks_for(asked, pauses, monkeypatch):
    deliveries = Deliveries()
    waited = []

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    wait = deliveries._changed.wait

    def pass_time(timeout=None):
        if threading.current_thread().name != "tilewright-send" or timeout is None:
            return wait(timeout)
        waited.append(timeout)
        clock.now += timeout
        return False

    monkeypatch.setattr(deliveries._changed, "wait", pass_time)
    receiver = Receiver(failures=4, error=SendError("the server answers 503", retry_after=asked))
    deliveries.add(receiver.delivery())
    for _ in range(4):
        assert receiver.begun.acquire(timeout=60)
    deliveries.wait(60)
    assert waited == pauses


def test_slow_receiver_does_not_hold_up_others(deliveries):
    slow, fast = Receiver("slow.test:443"), Receiver("fast.test:443")
    slow.answer.clear()
    for _ in range(50):
        deliveries.add(slow.delivery())
    for _ in range(20):
        deliveries.add(fast.delivery())
    for _ in range(20):
        assert fast.begun.acquire(timeout=60)
    slow.answer.set()
    deliveries.wait(60)
    assert (len(slow.attempts), len(fast.attempts)) == (50, 20)
    assert slow.most == 2


def test_deliveries_beyond_the_limits_are_given_up(deliveries, caplog, monkeypatch):
    monkeypatch.setattr(module, "_MAX_FOR_RECEIVER", 3)
    monkeypatch.setattr(module, "_MAX_UNFINISHED", 4)
    down, other = Receiver("down.test:443"), Receiver("other.test:443")
    down.answer.clear()
    other.answer.clear()
    for receiver in (down, other):
        for number in range(2):  # these are attempted at once
            deliveries.add(receiver.delivery(f"attempted {number}"))
            assert receiver.begun.acquire(timeout=60)
    for number in range(4):
        deliveries.add(down.delivery(f"down {number}"))
    for number in range(2):
        deliveries.add(other.delivery(f"other {number}"))
    assert warnings(caplog) == ["down 3: 3 others wait for this receiver", "other 1: 4 others wait"]
    down.answer.set()
    other.answer.set()
    deliveries.wait(60)
    assert (len(down.attempts), len(other.attempts)) == (5, 3)


def test_waiting_ends_at_its_time_and_loses_nothing(deliveries, caplog):
    receiver = Receiver()
    receiver.answer.clear()
    deliveries.add(receiver.delivery())
    deliveries.wait(0.05)
    assert caplog.records == []
    receiver.answer.set()
    deliveries.wait(60)
    assert receiver.attempts == ["the result"]


def test_waiting_does_not_wait_for_a_long_pause(caplog):
    deliveries = Deliveries(pauses=(3600,))
    receiver = Receiver(failures=1)
    deliveries.add(receiver.delivery())
    deliveries.wait(600)  # would not return in time for this suite
    assert (len(receiver.attempts), caplog.records) == (1, [])
    deliveries.finish(600)
    assert warnings(caplog) == ["the result: the program is ending"]


def test_end_cancels_attempts_and_refuses_further_deliveries(deliveries, caplog):
    receiver = Receiver()
    receiver.answer.clear()
    deliveries.add(receiver.delivery("attempted"))
    assert receiver.begun.acquire(timeout=60)
    deliveries.finish(0)
    deliveries.add(receiver.delivery("late"))
    assert warnings(caplog) == [
        "attempted: the program is ending (1 attempt)",
        "late: the program is ending",
    ]
    assert receiver.attempts == ["attempted"]


def sending_threads():
    return {thread for thread in threading.enumerate() if thread.name == "tilewright-send"}


def test_threads_end_when_nothing_is_left():
    before = sending_threads()
    deliveries = Deliveries(pauses=())
    for number in range(20):
        deliveries.add(Receiver(f"{number}.test:443").delivery())
    deliveries.wait(60)
    for thread in sending_threads() - before:
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_expected_delivery_finds_a_thread_when_none_can_be_started(caplog, monkeypatch):
    def refuse(_self):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    deliveries, without = Deliveries(), Deliveries()
    deliveries.expect(1)
    receiver = Receiver()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        without.add(receiver.delivery("unexpected"))
        deliveries.add(receiver.delivery("expected"))
        deliveries.expect(-1)
        deliveries.wait(60)
    assert receiver.attempts == ["expected"]
    assert warnings(caplog) == ["unexpected: no thread can be started"]
