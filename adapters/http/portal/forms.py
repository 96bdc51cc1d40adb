"""A form of the portal as a browser sent it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import Depends, HTTPException, Request

from adapters.http.signing_in.session import FormOfAnotherSession, must_be_our_form
from adapters.postgres.sessions import Session

_FIELDS_AT_MOST: Final = 2_000
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")


class FormOutdated(Exception):
    """The form was made for an earlier sign-in, or is no longer whole: look at it and send it again."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The fields by name, as typed; `key` makes whatever is sent twice one command."""

    fields: Mapping[str, str]
    key: str

    def text(self, name: str) -> str:
        """What stands in a field, without space around it; empty if the form has none of that name."""
        return self.fields.get(name, "").strip()

    @property
    def version(self) -> int:
        """The version of what the form was made of; text that is none matches nothing."""
        text = self.text("version")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0  # noqa: PLR2004 -- fits int4

    def beginning(self, prefix: str) -> dict[str, str]:
        """The fields whose names begin so, by the rest of the name."""
        return {name.removeprefix(prefix): text for name, text in self.fields.items() if name.startswith(prefix)}


def id_in(text: str) -> UUID | None:
    """The id; None for text that is none, which then fits nothing."""
    try:
        return UUID(text)
    except ValueError:
        return None


async def sent(request: Request) -> Sent:
    """The form in the body; raises HTTPException 400 for what no form of ours looks like."""
    fields = await fields_of(request)
    return Sent(fields, fields.get("one_time_key", ""))


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of an URL-encoded body; of fields with the same name the last."""
    try:
        text = (await request.body()).decode()
        values = parse_qs(text, keep_blank_values=True, max_num_fields=_FIELDS_AT_MOST)
    except ValueError:  # no UTF-8, or far too many fields
        raise HTTPException(400) from None
    return {name: each[-1].replace("\x00", "") for name, each in values.items()}


TheForm = Annotated[Sent, Depends(sent)]


def must_be_current(request: Request, session: Session, form: Sent) -> None:
    """Raise NotOurForm for another site's form, FormOutdated for one of ours that this session can't send."""
    try:
        must_be_our_form(request, session, form.text("csrf_token"))
    except FormOfAnotherSession:
        raise FormOutdated from None
    if not _KEY.fullmatch(form.key):
        raise FormOutdated
