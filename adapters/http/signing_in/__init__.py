"""Signing in to pages: OpenID Connect at the provider, a session here, and the pages that say what went wrong."""

from adapters.http.signing_in.routes import signing_in
from adapters.http.signing_in.session import SignInNeeded, to_sign_in

__all__ = ["SignInNeeded", "signing_in", "to_sign_in"]
