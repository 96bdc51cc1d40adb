"""Nobody accepts two open quotes: their owners are told three days before, in German and English, then they expire."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from adapters.cli.demo.books import Books
from adapters.cli.demo.checking import Check, english, german
from adapters.cli.demo.levers import moved_to
from adapters.cli.demo.people import Customer
from adapters.cli.demo.settling import happened, noticed
from adapters.cli.demo.stage import Answer, Stage, day, money

_LOGINS: Final = ("mehmet.aydin", "yann.le.goff")
_WARNING: Final = timedelta(days=3)
_SOON: Final = timedelta(hours=1)


@dataclass(slots=True)
class Expired:
    """The two accounts, each with its quote as it was open, and what came of ordering it afterwards."""

    title: ClassVar[str] = "Zwei Angebote laufen ab"

    customers: tuple[Customer, ...]
    quotes: list[Answer]
    refusals: list[Answer]

    @classmethod
    async def walked(cls, stage: Stage) -> "Expired":
        """Let the time pass. Raises WalkFailed."""
        stage.heading("Angebote")
        customers = tuple([await Customer.arrived(stage, login) for login in _LOGINS])
        quotes = []
        for each in customers:
            quotes.append((await each.got(f"/v1/quotes/{each.account['open_quote_id']}")).json())
            gross, until = money(quotes[-1]["gross"]), day(quotes[-1]["valid_until"])
            stage.fact(f"{each.account['legal_name']}: {quotes[-1]['number']}, gesamt {gross}, gültig bis {until}")
        last = max(datetime.fromisoformat(quote["valid_until"]) for quote in quotes)
        stage.heading("Drei Tage vor dem Ablauf")
        await moved_to(stage, last - _WARNING)
        for each in customers:
            await each.watched("QuoteExpiresSoon", "QuoteNoticeSent")
            await each.read_mail()
        stage.heading("Am letzten Tag")
        await moved_to(stage, last)
        refusals = []
        for each, quote in zip(customers, quotes, strict=True):
            await each.watched("QuoteExpired", "OpenQuoteChanged")
            refusals.append(await each.refused(f"/v1/quotes/{quote['id']}/orders"))
            stage.fact(f"{refusals[-1]['status']} {refusals[-1]['code']}: {refusals[-1]['title']}", "yellow")
        return cls(customers, quotes, refusals)

    def checks(self, books: Books) -> Iterator[Check]:
        """From the API's books and the inbox."""
        for customer, quote, refusal in zip(self.customers, self.quotes, self.refusals, strict=True):
            mine, number = books.of(customer), quote["number"]
            now = mine.quotes[quote["id"]]
            step, found = "Angebote", (quote["state"], now["state"], mine.account["open_quote_id"])
            yield Check(step, f"{number} was open and has expired", ("Open", "Expired", None), found)
            late = datetime.fromisoformat(now["ended_at"]) - datetime.fromisoformat(quote["valid_until"])
            yield Check(step, "not before its time, and soon after it", True, timedelta(0) <= late < _SOON)
            refused = (refusal["code"], now["order_id"])
            yield Check(step, "it can't be ordered any more, and never was", ("QUOTE_NOT_OPEN", None), refused)
            said = {
                "de": (f"Ihr Angebot {number} läuft bald ab", german(quote["gross"]["amount"])),
                "en": (f"Your quote {number} expires soon", english(quote["gross"]["amount"])),
            }
            yield noticed(customer, books, *said[customer.account["language"]])
            came = ("QuoteExpiresSoon", "QuoteNoticeSent", "QuoteExpired", "OpenQuoteChanged")
            yield from happened(customer, books, *came)
