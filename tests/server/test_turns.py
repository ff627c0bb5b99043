"""Fair turns between clients."""

from __future__ import annotations

import asyncio

import pytest

from tilewright.errors import TilewrightError
from tilewright.server.turns import Turns


async def take(turns, client, order, *, hold=None):
    async with turns.turn(client):
        order.append(client)
        if hold is not None:
            await hold.wait()
        else:
            await asyncio.sleep(0)


async def hold_and_wait(turns, order, hold, clients):
    """Lets a client hold the only turn, and others wait; returns the tasks of all of them."""
    first = asyncio.create_task(take(turns, "a", order, hold=hold))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(take(turns, client, order)) for client in clients]
    await asyncio.sleep(0)
    return first, *waiting


def test_clients_take_turns():
    async def scenario():
        turns, order, hold = Turns(1, most_of_client=1, most_waiting=100), [], asyncio.Event()
        tasks = await hold_and_wait(turns, order, hold, "aaaabbc")
        assert (turns.running, turns.waiting) == (1, 7)
        hold.set()
        await asyncio.gather(*tasks)
        assert (turns.running, turns.waiting) == (0, 0)
        return "".join(order)

    assert asyncio.run(scenario()) == "a" + "abcabaa"


def test_as_many_run_at_the_same_time_as_allowed():
    async def scenario():
        turns, most = Turns(3, most_of_client=3, most_waiting=100), 0

        async def call():
            nonlocal most
            async with turns.turn("a"):
                most = max(most, turns.running)
                await asyncio.sleep(0.001)

        await asyncio.gather(*(call() for _ in range(20)))
        return most, turns.running

    assert asyncio.run(scenario()) == (3, 0)


def test_too_many_waiting_calls_are_refused():
    async def scenario():
        turns, order, hold = Turns(1, most_of_client=1, most_waiting=2), [], asyncio.Event()
        tasks = [asyncio.create_task(take(turns, "a", order, hold=hold)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(TilewrightError, match="2 calls wait already") as caught:
            async with turns.turn("a"):
                pass
        assert caught.value.code == "rateLimitExceeded"
        late = [asyncio.create_task(take(turns, "b", order)) for _ in range(2)]
        await asyncio.sleep(0)
        hold.set()
        return await asyncio.gather(*tasks, *late, return_exceptions=True), order

    results, order = asyncio.run(scenario())
    assert [isinstance(result, TilewrightError) for result in results] == [False] * 4 + [True], "b has its share only"
    assert sorted(order) == ["a", "a", "a", "b"]


def test_cancelled_calls_give_their_turn_away():
    async def scenario():
        turns, order, hold = Turns(1, most_of_client=1, most_waiting=100), [], asyncio.Event()
        first, *waiting = await hold_and_wait(turns, order, hold, "bcd")
        waiting[0].cancel()  # while it waits
        hold.set()
        await asyncio.sleep(0)
        waiting[1].cancel()  # in the moment in which its turn comes
        await asyncio.gather(first, *waiting, return_exceptions=True)
        return order[-1], turns.running, turns.waiting

    assert asyncio.run(scenario()) == ("d", 0, 0)


def test_one_client_cannot_take_all_turns():
    async def scenario():
        turns, order, hold = Turns(3, most_of_client=2, most_waiting=100), [], asyncio.Event()
        tasks = [asyncio.create_task(take(turns, client, order, hold=hold)) for client in "aaab"]
        await asyncio.sleep(0)
        assert (order, turns.waiting) == (["a", "a", "b"], 1)
        hold.set()
        await asyncio.gather(*tasks)
        return order, turns.running

    assert asyncio.run(scenario()) == (["a", "a", "b", "a"], 0)


def test_a_call_that_has_had_a_turn_is_not_refused():
    async def scenario():
        turns, order, hold = Turns(1, most_of_client=1, most_waiting=0), [], asyncio.Event()
        first = asyncio.create_task(take(turns, "a", order, hold=hold))
        await asyncio.sleep(0)

        async def again():
            async with turns.turn("b", is_accepted=True):
                order.append("b")

        second = asyncio.create_task(again())
        await asyncio.sleep(0)
        hold.set()
        await asyncio.gather(first, second)
        return order

    assert asyncio.run(scenario()) == ["a", "b"]
