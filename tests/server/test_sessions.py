"""Sessions of WebSocket clients."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from tilewright.server import sessions
from tilewright.server.sessions import Sessions


async def lost_session(all_sessions, frames):
    """Opens a session whose connection is lost, and delivers frames to it afterwards."""
    session = all_sessions.open("a")

    async def send(_frame):
        raise ConnectionError

    session.deliver("x")
    with contextlib.suppress(ConnectionError):
        await session.start_sending(send)
    session.drop_frames()
    for frame in frames:
        session.deliver(frame)
    return session


async def frames_of(session):
    """Returns what a new connection gets."""
    received = []

    async def send(frame):
        received.append(frame)

    sending = session.start_sending(send)
    await asyncio.sleep(0.01)
    sending.cancel()
    return received


def test_frames_of_lost_sessions_share_a_limit(monkeypatch):
    monkeypatch.setattr(sessions, "_MOST_KEPT_IN_ALL", 25)
    monkeypatch.setattr(sessions, "_PRUNING_SECONDS", 0.01)

    async def scenario():
        all_sessions = Sessions()
        lost = [await lost_session(all_sessions, ["ten bytes."]) for _ in range(4)]
        pruning = asyncio.create_task(all_sessions.prune())
        await asyncio.sleep(0.1)
        pruning.cancel()
        assert all(all_sessions.open("a", session.uuid) is session for session in lost), "the sessions themselves stay"
        return [len(await frames_of(session)) for session in lost]

    assert asyncio.run(scenario()) == [0, 0, 1, 1]


def test_lost_sessions_expire_while_no_other_is_opened(monkeypatch):
    monkeypatch.setattr(sessions, "KEPT_SECONDS", 0.02)
    monkeypatch.setattr(sessions, "_PRUNING_SECONDS", 0.01)

    async def scenario():
        all_sessions = Sessions()
        await lost_session(all_sessions, ["x"])
        pruning = asyncio.create_task(all_sessions.prune())
        await asyncio.sleep(0.2)
        pruning.cancel()
        return len(all_sessions._sessions)

    assert asyncio.run(scenario()) == 0
