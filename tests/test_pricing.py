"""Pricing rules and their notation."""

from __future__ import annotations

import dataclasses

import pytest

from support.tasks import new_tasks
from tilewright import Settings, Upscaler
from tilewright.errors import SettingsError
from tilewright.pricing import Price, cost


def test_without_a_rule_the_cost_is_zero():
    assert cost(None, seconds=100, pixels=10**9) == 0


def test_cost_by_second_and_by_megapixel():
    assert cost(Price(0.0006, "second"), seconds=2.5, pixels=10**9) == 0.0015
    assert cost(Price(0.002, "megapixel"), seconds=100, pixels=16_777_216) == 0.033554432


def test_binary_rounding_is_hidden():
    assert cost(Price(0.1, "second"), seconds=3, pixels=1) == 0.3


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("0.0006/second", Price(0.0006, "second")),
        ("2/megapixel", Price(2, "megapixel")),
        (" 0.5 / second ", Price(0.5, "second")),
        ("0/second", Price(0, "second")),
        ("", None),
    ],
)
def test_price_is_read_from_the_environment(text, price):
    assert Settings.from_environment({"TILEWRIGHT_PRICE": text}).price == price


@pytest.mark.parametrize(
    "text",
    ["0.0006", "second", "-1/second", "1/minute", "1/Second", "1e3/second", "1/2/second", "nan/second", "١/second"],
)
def test_invalid_price_variable_is_an_error(text):
    with pytest.raises(SettingsError, match="TILEWRIGHT_PRICE must be a price such as"):
        Settings.from_environment({"TILEWRIGHT_PRICE": text})


@pytest.mark.parametrize(
    ("amount", "unit"), [(1, "minute"), (-1, "second"), (float("nan"), "second"), (float("inf"), "second")]
)
def test_invalid_price_is_refused(amount, unit):
    with pytest.raises(ValueError, match="a price must be at least 0 per second or megapixel"):
        Price(amount, unit)


@pytest.mark.parametrize(("unit", "minimum"), [("megapixel", 2 * 24 * 24 / 1e6), ("second", 1e-9)])
def test_response_contains_the_cost_if_requested(unit, minimum):
    settings = dataclasses.replace(Settings.from_environment(), price=Price(2.0, unit))
    priced = Upscaler(settings=settings, device="cpu", store="memory://priced")
    [item] = priced.run({**new_tasks(1)[0], "includeCost": True})["data"]
    if unit == "megapixel":
        assert item["cost"] == minimum
    else:
        assert minimum < item["cost"] < 120
    assert "cost" not in priced.run(new_tasks(1))["data"][0]
