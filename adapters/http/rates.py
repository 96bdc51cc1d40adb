"""How many requests a caller may send: so many a second for long, and a multiple of it at once."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import Final

REMEMBERED: Final = 10_000
"""How many callers are counted; whoever did not call for longest is forgotten first, and begins anew."""

BURST_SECONDS: Final = 10

_ROUNDING: Final = 1e-6


class TooManyRequests(Exception):
    """The caller is to wait so many whole seconds."""

    def __init__(self, retry_after: int) -> None:
        """`retry_after` in seconds."""
        super().__init__(f"wait {retry_after} s")
        self.retry_after = retry_after


class Rate:
    """A bucket for each caller that is refilled all the time. Each process counts for itself."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`per_second` requests for long, BURST_SECONDS times as many at once."""
        self._per_second, self._clock = per_second, clock
        self._full_at: OrderedDict[str, float] = OrderedDict()  # when each bucket will be full again

    def take(self, caller: str) -> None:
        """Count a request; raises TooManyRequests without counting it if the caller has none left."""
        now = self._clock()
        full_at = max(self._full_at.pop(caller, now), now) + 1 / self._per_second
        over = full_at - now - BURST_SECONDS
        has_none_left = over > _ROUNDING
        self._full_at[caller] = full_at - 1 / self._per_second if has_none_left else full_at
        if len(self._full_at) > REMEMBERED:
            self._full_at.popitem(last=False)
        if has_none_left:
            raise TooManyRequests(max(1, ceil(over)))


def network_of(address: str) -> str:
    """Who an address counts as: an IPv6 customer has a whole /64 of them.

    >>> network_of("2001:db8::1"), network_of("192.0.2.7"), network_of("")
    ('2001:db8::/64', '192.0.2.7', '')
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address  # noqa: PLR2004
