"""Who may open the sandbox's pages: a browser or program on this machine, and no other site through it."""

import ipaddress
from typing import Final

from fastapi import HTTPException, Request

_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_OWN_SITE: Final = frozenset({None, "same-origin", "none"})


def from_this_machine(request: Request) -> None:
    """Refuse other machines, and other sites' names for this one (DNS rebinding)."""
    client = request.client.host if request.client else ""
    try:
        local = ipaddress.ip_address(client).is_loopback
    except ValueError:
        local = False
    if not local or request.url.hostname not in _LOCAL_NAMES:
        raise HTTPException(403, "The sandbox's pages answer to this machine only: open them at http://localhost")


def from_own_pages(request: Request) -> None:
    """Refuse what another site makes a browser send (Fetch Metadata, W3C); programs send no such header."""
    if request.headers.get("Sec-Fetch-Site") not in _OWN_SITE:
        raise HTTPException(403, "Another site can't do this: open the sandbox's page itself")
