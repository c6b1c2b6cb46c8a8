"""What trading a market is said to cost, and how hard its exams are: changed by admins, with a reason."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError

from trainingday.access import audit
from trainingday.access.reasons import checked_text
from trainingday.exceptions import InvalidArgument
from trainingday.markets.models import Market
from trainingday.permissions import may_administer
from trainingday.stats.ledger import N_EXAMS


def price_of(alpha: float) -> float:
    """Return the most that the chance of a luck-only pass can be over a window's exams, at this level each.

    The union bound: it holds however the exams depend on each other.
    """
    return min(1.0, N_EXAMS * alpha)


def change_rules(
    market: Market, *, fee: float, slippage: float, alpha: float, reason: str, user: User
) -> Market:
    """Store a market's costs and exam level; later runs use them, earlier ones keep what they used.

    Raises
    ------
    PermissionDenied
        If the user is no admin.
    InvalidArgument
        If a value or the reason's length is out of bounds.
    """
    if not may_administer(user):
        raise PermissionDenied("only an admin may change what a market costs")
    text = checked_text(reason)
    market.fee, market.slippage, market.alpha = fee, slippage, alpha
    try:
        market.full_clean()
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        raise InvalidArgument(f"{name}: {messages[0]} (is {getattr(market, name, '?')})") from error
    with audit.doing("set", text):
        market.save(update_fields=["fee", "slippage", "alpha"])
    return market
