"""The words of the pages: which language somebody reads, and what the catalogue says in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

from babel.dates import format_timedelta
from fastapi import Request

from adapters.documents.languages import Language
from adapters.written_forms import known_time_zones
from projections.portal import AccountRow

LANGUAGES: Final[Mapping[str, str]] = {"de": "Deutsch", "en": "English"}
"""What can be chosen, each by its own name, which is the same in every language."""

LANGUAGE: Final = "__Host-seatledger-language"
TIME_ZONE: Final = "__Host-seatledger-time-zone"
"""Cookies with what a reader has chosen for himself; without them the account's language and time zone hold."""

_NOWHERE: Final = "UTC"


def msgid(text: str) -> str:
    """The text as it is: marks what is looked up in the catalogue later, so that the tests find it."""
    return text


@cache
def language(code: str) -> Language:
    """Words and formats of the portal in one of LANGUAGES."""
    return Language(code, files("adapters.http.portal").joinpath("catalogues", code, "portal.po"))


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who reads a page: his language, and the IANA time zone that instants are told in."""

    language: Language
    time_zone: str

    def said(self, text: str, **facts: Any) -> str:
        """The catalogue's words for a `msgid`, with the facts as he reads them."""
        told = {name: self.fact(value) for name, value in facts.items()}
        sentence: str = self.language.translations.gettext(text)
        return sentence % told if told else sentence

    def fact(self, value: object) -> str:
        """A number, day or instant in the language's form; any other as text."""
        match value:
            case datetime():
                return self.instant(value)
            case date():
                return self.language.long_day(value)
            case bool():
                return str(value)
            case int():
                return self.language.number(value)
            case _:
                return str(value)

    def instant(self, at: datetime) -> str:
        """Day and time of day in the reader's time zone."""
        return f"{self.day(at)}, {self.language.time(at, self.time_zone)}"

    def duration(self, left: timedelta) -> str:
        """How long that is, in hours as long as it is more than one."""
        return format_timedelta(left, granularity="minute", threshold=1.5, locale=self.language.locale)

    def day(self, at: datetime) -> str:
        """The day that it is then in the reader's time zone."""
        return self.language.long_day_in(at, self.time_zone)


def reader_of(request: Request, account: AccountRow | None = None, *, staff: bool = False) -> Reader:
    """Who reads: by his own choice, else by the account's settings, else by what the browser asks for.

    An account's language is its customer's: `staff` read in their own, and its times as the customer does.
    """
    code = request.cookies.get(LANGUAGE, "")
    if code not in LANGUAGES:
        code = account.language if account and not staff else preferred(request.headers.get("Accept-Language", ""))
    zone = request.cookies.get(TIME_ZONE, "")
    if zone not in known_time_zones():
        zone = account.time_zone if account else _NOWHERE
    return Reader(language(code if code in LANGUAGES else "en"), zone)


def preferred(accepted: str) -> str:
    """The first language of an Accept-Language header that there are words in, English without one.

    >>> preferred("fr-FR, de-AT;q=0.8, en;q=0.5"), preferred("fr"), preferred("")
    ('de', 'en', 'en')
    """
    weighed = []
    for place, each in enumerate(accepted.split(",")):
        tag, _, weight = each.strip().partition(";q=")
        code = tag.partition("-")[0].lower()
        if code in LANGUAGES and weight.strip() not in {"0", "0.0"}:
            weighed.append((-_weight(weight), place, code))
    return min(weighed)[2] if weighed else "en"


def _weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0
