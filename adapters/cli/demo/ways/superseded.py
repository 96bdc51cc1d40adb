"""Quote A is open when the cart is saved again: B takes its place, after the portal has shown what is lost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from adapters.cli.demo.books import Books
from adapters.cli.demo.checking import Check, amounts, expected, german, state
from adapters.cli.demo.people import Customer
from adapters.cli.demo.settling import happened
from adapters.cli.demo.stage import Answer, Stage, money

_LOGIN: Final = "lea.gruenspan"
_CART_A: Final = {"goto_webinar": 3}
_CART_B: Final = {"goto_meeting": 2, "goto_training": 4}


@dataclass(slots=True)
class Superseded:
    """What the service answered."""

    title: ClassVar[str] = "Ein Angebot tritt an die Stelle des anderen"

    customer: Customer
    a: Answer
    draft: Answer
    refusal: Answer
    lost: Answer
    b: Answer

    @property
    def customers(self) -> tuple[Customer, ...]:
        """Who walked."""
        return (self.customer,)

    @classmethod
    async def walked(cls, stage: Stage) -> "Superseded":
        """Issue A, then B, then decline B. Raises WalkFailed."""
        stage.heading("Abonnements")
        customer = await Customer.arrived(stage, _LOGIN)
        customer.introduce()
        a = await customer.saved(customer.cart(**_CART_A))
        draft = await customer.prepared(a)

        stage.heading("Sitze hinzufügen")
        cart = customer.cart(**_CART_B)
        await customer.previewed(cart)
        refusal = await customer.refused(f"{customer.path}/quotes", {"lines": cart, "replaces": None})
        lost = dict((await customer.got(f"/v1/quotes/{refusal['open_quote_id']}")).json())
        stage.fact(f"Angebot {lost['number']} über {money(lost['gross'])} ist noch offen.", "yellow")
        stage.fact("Es verfällt, wenn Sie den neuen Warenkorb speichern.", "yellow")

        b = await customer.saved(cart, replaces=lost["id"])
        stage.heading("Angebot ablehnen")
        await customer.saw(await customer.posted(f"/v1/quotes/{b['id']}/decline"))
        return cls(customer, a, draft, refusal, lost, b)

    def checks(self, books: Books) -> Iterator[Check]:
        """From the API's and the counterparties' books."""
        customer, mine = self.customer, books.of(self.customer)
        first = expected(self.a, customer, _CART_A)
        second = expected(self.b, customer, _CART_B)
        step = "Sitze hinzufügen"
        found = (self.refusal["code"], self.refusal.get("open_quote_id"))
        yield Check(step, "without naming A, B is refused", ("OPEN_QUOTE_CHANGED", self.a["id"]), found)
        shown = (self.lost["state"], self.lost["gross"]["amount"])
        yield Check(step, f"before, the portal shows what is lost: {german(first.gross)}", ("Open", first.gross), shown)
        step, a, b = "Angebote", mine.quotes[self.a["id"]], mine.quotes[self.b["id"]]
        yield from amounts(step, "B", b, second)
        yield Check(step, "A expired when B took its place", "ExpiredBySupersession", a["state"])
        lineage = (a["superseded_by"], b["supersedes"])
        yield Check(step, "A and B name each other", (b["id"], a["id"]), lineage)
        others = (a["supersedes"], b["superseded_by"])
        yield Check(step, "A replaced nothing, and nothing replaced B", (None, None), others)
        ended = (b["state"], mine.account["open_quote_id"])
        yield Check(step, "B was declined, and no quote is open", ("Declined", None), ended)
        draft = mine.orders[self.draft["id"]]
        off = (draft["state"], draft["placed_at"])
        yield Check(step, "A's draft order is off, and was never placed", ("Cancelled", None), off)
        requested = ["SeatsRequested"] * len(_CART_B)
        yield from happened(
            customer,
            books,
            *("OpenQuoteChanged", "QuoteIssued", "SeatsRequested", "ServiceOrderPrepared"),
            *("OpenQuoteChanged", "QuoteExpiredBySupersession", "OrderCancelled", "QuoteIssued", *requested),
            *("QuoteDeclined", "OpenQuoteChanged"),
        )
        nothing = (state(draft)[1], books.moved(self.draft), books.mails_to(customer))
        yield Check("Bücher der anderen", "nothing was held, charged or mailed", (0, [], []), nothing)
        seats = {each["product"]: each["seats"] for each in mine.subscriptions.values()}
        before = {each["product"]: each["seats"] for each in customer.subscriptions.values()}
        yield Check("Bücher der anderen", "and all seats are as they were", before, seats)
