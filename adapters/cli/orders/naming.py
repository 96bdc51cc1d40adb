"""Which order, subscription or person a command means."""

import re
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection

from adapters.cli.terminal import REFUSED, WRONG_USE, ended
from adapters.postgres.homes import Homes
from adapters.postgres.order_file import order_numbered
from domain.order import ServiceOrder
from domain.pricing import QuoteLine

_NUMBER: Final = re.compile(r"O-[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}")
_MISREAD: Final = str.maketrans("OIL", "011")
_STAFF_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


async def order_named(homes: Homes[AsyncConnection], text: str) -> UUID:
    """The id of the order; ends the command if the text is neither an id nor a number, or nobody has that number."""
    try:
        return UUID(text)
    except ValueError:
        number = as_number(text)
    if number is None:
        ended(WRONG_USE, "ORDER is an order's id, or its number such as O-1A2B3-4C5D6.")
    id = await order_numbered(homes.read_models, number)
    if id is None:
        ended(REFUSED, f"There is no order with the number {number}.")
    return id


def as_number(text: str) -> str | None:
    """The order's number as it is stored, however it was written down; None for what is none.

    >>> as_number(" o-1a2b3-4c5do "), as_number("Q-1A2B3-4C5D6")
    ('O-1A2B3-4C5D0', None)
    """
    written = text.strip().upper()
    number = "O" + written[1:].translate(_MISREAD) if written.startswith("O") else written
    return number if _NUMBER.fullmatch(number) else None


def line_named(order: ServiceOrder, text: str) -> QuoteLine:
    """The order's line for a subscription's id or number; ends the command if it has none."""
    wanted = text.strip().casefold()
    found = [line for line in order.lines if wanted in {line.subscription_number.casefold(), str(line.subscription_id)}]
    if not found:
        has = ", ".join(line.subscription_number for line in order.lines)
        ended(REFUSED, f"The order {order.number} has no line for that subscription; it has {has}.")
    return found[0]


def staff_id(text: str) -> str:
    """The opaque id of who acts; ends the command for what can't be one."""
    if not _STAFF_ID.fullmatch(text):
        ended(WRONG_USE, "--as: an opaque id of letters, digits and .-_: (at most 64), never a name or an address.")
    return text
