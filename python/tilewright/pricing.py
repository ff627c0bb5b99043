"""Pricing rules for the ``cost`` of a result."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

PriceUnit = Literal["second", "megapixel"]

# Rounds off binary floating-point error; prices are less precise than this.
_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class Price:
    """A pricing rule.

    Attributes:
        amount: Price per unit, finite and at least 0, in any currency.
        unit: ``"second"`` of computing, or ``"megapixel"`` (10⁶ pixels) of the result.

    Raises:
        ValueError: The unit is unknown, or the amount is negative or not finite.
    """

    amount: float
    unit: PriceUnit

    def __post_init__(self) -> None:
        if self.unit not in get_args(PriceUnit) or not 0 <= self.amount < math.inf:
            raise ValueError(f"a price must be at least 0 per {' or '.join(get_args(PriceUnit))}, not {self!r}")


def cost(price: Price | None, *, seconds: float, pixels: int) -> float:
    """Returns the cost of a result.

    Args:
        price: Pricing rule; None for a cost of 0.
        seconds: Time during which the picture had the network to itself.
        pixels: Width times height of the result.
    """
    if price is None:
        return 0
    return round(price.amount * (seconds if price.unit == "second" else pixels / 1e6), _DECIMALS)
