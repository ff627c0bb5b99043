"""What a result costs, for those who charge for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

PriceUnit = Literal["second", "megapixel"]

# Hides the binary rounding of a product; no price is that fine.
_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class Price:
    """A pricing rule.

    Attributes:
        amount: per unit, 0 or more, in whatever currency.
        unit: ``"second"`` of computing, or ``"megapixel"`` (10⁶ pixels) of the result.

    Raises:
        ValueError: another unit, or an amount that is negative or not finite.
    """

    amount: float
    unit: PriceUnit

    def __post_init__(self) -> None:
        if self.unit not in get_args(PriceUnit) or not 0 <= self.amount < math.inf:
            raise ValueError(f"a price is 0 or more per {' or '.join(get_args(PriceUnit))}, not {self!r}")


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
