"""What a result costs, for those who charge for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PriceUnit = Literal["second", "megapixel"]

# Hides the binary rounding of a product; no price is that fine.
_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class Price:
    """A pricing rule.

    Attributes:
        amount: per unit, 0 or more, in whatever currency.
        unit: ``"second"`` of computing, or ``"megapixel"`` (10⁶ pixels) of the result.
    """

    amount: float
    unit: PriceUnit


def cost(price: Price | None, *, seconds: float, pixels: int) -> float:
    """What a result costs; 0 without a rule.

    Args:
        price: the rule.
        seconds: during which the picture had the network to itself.
        pixels: of the result.
    """
    if price is None:
        return 0
    return round(price.amount * (seconds if price.unit == "second" else pixels / 1e6), _DECIMALS)
