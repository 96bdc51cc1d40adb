"""The gateway's own page where somebody enters a card: its number never comes here, only a token does."""

import re
from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import urlencode


class CardForm(Protocol):
    """A gateway's hosted form. `origin`: where it is, if not on this site, for the pages' content security policy."""

    origin: str

    async def begin(self, return_to: str, language: str) -> str:
        """The address to send the browser to; from there it comes back to `return_to`, with more in its query."""
        ...

    async def token(self, answer: Mapping[str, str]) -> str | None:
        """The card's token by the query that the browser came back with; None if no card was entered."""
        ...


SANDBOX_PATH: Final = "/sandbox/gateway/card"
SANDBOX_TOKEN: Final = "card_token"  # noqa: S105 -- the name of a parameter

_TOKEN: Final = re.compile(r"tok_[a-z_]{1,40}")


class SandboxCardForm:
    """The sandbox's form. A real gateway's would make a session for the form and look the token up by its id."""

    origin = ""

    async def begin(self, return_to: str, language: str) -> str:
        """See CardForm."""
        return f"{SANDBOX_PATH}?{urlencode({'return_to': return_to, 'language': language})}"

    async def token(self, answer: Mapping[str, str]) -> str | None:
        """See CardForm."""
        token = answer.get(SANDBOX_TOKEN, "")
        return token if _TOKEN.fullmatch(token) else None
