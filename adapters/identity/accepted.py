"""Which bearer tokens are accepted at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

ASYMMETRIC: Final = frozenset(
    {"EdDSA", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}
)
"""What may be set at all: with a symmetric one a public key would be a secret."""

ALGORITHMS: Final = ("EdDSA", "ES256", "RS256")

AUDIENCE: Final = "seatledger"

LEEWAY: Final = 5
"""Seconds that a clock may be wrong."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Which tokens are accepted at all: of this issuer, for this audience, signed in one of these ways."""

    issuer: str
    audience: str = AUDIENCE
    algorithms: Sequence[str] = ALGORITHMS
    leeway_seconds: float = LEEWAY


def is_safe_address(address: str) -> bool:
    """Whether what is read there can't be changed on the way: over TLS, or on this machine.

    >>> is_safe_address("https://identity.example/keys"), is_safe_address("http://identity.example/keys")
    (True, False)
    """
    parts = urlsplit(address)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))
