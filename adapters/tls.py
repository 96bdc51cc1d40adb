"""TLS for whatever this program connects to: certificates are checked, TLS 1.2 is the oldest."""

import ssl
from functools import cache
from pathlib import Path


@cache  # reading the system's authorities takes 40 ms
def client_context(authorities: Path | None = None) -> ssl.SSLContext:
    """Trusts these authorities (PEM) alone, or without any named those of the system. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(cafile=authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
