"""Who acts in the demo over HTTP: the billing admin of an account, and the staff that helps."""

import asyncio
import json
from collections.abc import Mapping
from typing import Final

import httpx2

from adapters.cli.demo.stage import Answer, Stage, WalkFailed, day, money
from adapters.documents.templating import card_brand

ACCOUNT_SERVICES: Final = "sabine.vogt"
OPERATOR: Final = "max.operator"

_MOST: Final = 200  # items of a page
_PATIENCE: Final = 30.0  # seconds for what the workers do


class Person:
    """Somebody who is signed in."""

    def __init__(self, stage: Stage, token: str) -> None:
        """`token` says who."""
        self.stage, self.token = stage, token

    async def got(self, path: str, **headers: str) -> httpx2.Response:
        """What is there. Raises WalkFailed."""
        return self.stage.accepted(await self.stage.client.get(path, headers=self._headers(headers)))

    async def listed(self, path: str) -> list[Answer]:
        """The items of a list's first page."""
        mark = "&" if "?" in path else "?"
        return list((await self.got(f"{path}{mark}limit={_MOST}")).json()["items"])

    async def posted(self, path: str, body: Answer | None = None, **headers: str) -> httpx2.Response:
        """The answer to a command. Raises WalkFailed for a refusal."""
        return self.stage.accepted(await self._post(path, body, headers))

    async def refused(self, path: str, body: Answer | None = None) -> Answer:
        """The problem that a command is refused with. Raises WalkFailed if it is not."""
        answer = await self._post(path, body, {})
        if answer.is_success:
            raise WalkFailed(self.stage.step, f"{path} was accepted, and should not have been")
        return dict(answer.json())

    async def put(self, path: str, body: Answer) -> httpx2.Response:
        """Set a part of an order, as it stands now."""
        etag = (await self.got(path.rpartition("/")[0])).headers["ETag"]
        headers = self._headers({"If-Match": etag})
        return self.stage.accepted(await self.stage.client.put(path, headers=headers, json=body))

    async def _post(self, path: str, body: Answer | None, headers: Mapping[str, str]) -> httpx2.Response:
        known = self._headers({"Idempotency-Key": self.stage.key(), **headers})
        return await self.stage.client.post(path, headers=known, json=body)

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", **{name.replace("_", "-"): more[name] for name in more}}


async def signed_in(stage: Stage, login: str) -> Person:
    """One of the staff."""
    return Person(stage, await _token(stage, login))


async def _token(stage: Stage, login: str) -> str:
    return stage.accepted(await stage.client.get(f"/sandbox/token/{login}")).text


def _card(card: Answer | None) -> str:
    return f"{card_brand(card['brand'])} …{card['last_four']}" if card else "keine Karte"


class Customer(Person):
    """The billing admin of one account, who sees its events as they come.

    `account` and `subscriptions`, by product, are as they stood at the beginning.
    """

    def __init__(self, stage: Stage, token: str) -> None:
        """See `arrived`."""
        super().__init__(stage, token)
        self.account: Answer = {}
        self.subscriptions: dict[str, Answer] = {}
        self.events: list[Answer] = []
        self.position = 0
        self._mails = 0

    @classmethod
    async def arrived(cls, stage: Stage, login: str) -> "Customer":
        """Sign in and look at the account."""
        customer = cls(stage, await _token(stage, login))
        (customer.account,) = await customer.listed("/v1/accounts")
        subscriptions = await customer.listed(f"{customer.path}/subscriptions")
        customer.subscriptions = {each["product"]: each for each in subscriptions}
        customer.position = (await customer.timeline())[-1]["position"]
        return customer

    @property
    def path(self) -> str:
        """Where the account is."""
        return f"/v1/accounts/{self.account['id']}"

    @property
    def types(self) -> list[str]:
        """The names of the events that came, in order."""
        return [each["type"].partition(".")[0] for each in self.events]

    def introduce(self) -> None:
        """Print who this is and what it has."""
        card = self.account["payment_method"]
        self.stage.fact(f"{self.account['legal_name']}, Konto {self.account['number']}, {_card(card)}")
        for each in self.subscriptions.values():
            price = money(each["unit_price"])
            self.stage.fact(f"{each['product_title']}: {each['seats']} Sitze zu {price}, bis {day(each['term_end'])}")

    def cart(self, **seats: int) -> list[Answer]:
        """New Seat Qty by product."""
        return [
            {"subscription_id": self.subscriptions[product]["id"], "seats_to_add": count}
            for product, count in seats.items()
        ]

    async def previewed(self, cart: list[Answer]) -> Answer:
        """What the cart would cost; stores nothing."""
        preview: Answer = (await self.posted(f"{self.path}/quotes/preview", {"lines": cart})).json()
        self.stage.fact(f"Vorschau: netto {money(preview['net'])}, gesamt {money(preview['gross'])}")
        return preview

    async def saved(self, cart: list[Answer], replaces: str | None = None) -> Answer:
        """Warenkorb speichern und Überprüfen: the quote."""
        self.stage.heading("Warenkorb speichern und Überprüfen")
        for line in cart:
            held = next(each for each in self.subscriptions.values() if each["id"] == line["subscription_id"])
            before, added = held["seats"], line["seats_to_add"]
            self.stage.fact(f"{held['product_title']}, New Seat Qty {added}: {before} + {added} = {before + added}")
        issued = await self.posted(f"{self.path}/quotes", {"lines": cart, "replaces": replaces})
        quote: Answer = issued.json()
        net, tax, gross = (money(quote[name]) for name in ("net", "tax", "gross"))
        self.stage.fact(f"Angebot {quote['number']}: netto {net}, USt. {tax}, gesamt {gross}")
        await self.saw(issued)
        return quote

    async def prepared(self, quote: Answer) -> Answer:
        """Fortfahren zur Zahlung: the order as a draft."""
        self.stage.heading("Fortfahren zur Zahlung")
        prepared = await self.posted(f"/v1/quotes/{quote['id']}/orders")
        order: Answer = prepared.json()
        self.show_card(order)
        await self.saw(prepared)
        return order

    def show_card(self, order: Answer) -> None:
        """Print what the order pays by."""
        self.stage.fact(f"Zahlungsweise: {_card(order['payment_method'])}")

    async def paying_by(self, order: Answer, token: str) -> Answer:
        """Choose another card for this order."""
        changed = await self.put(f"/v1/orders/{order['id']}/payment-method", {"token": token})
        self.show_card(changed.json())
        await self.saw(changed)
        return dict(changed.json())

    async def placed(self, order: Answer, *until: str, po_number: str | None = None) -> Answer:
        """Service-Bestellung aufgeben, and follow the order until all these events came."""
        self.stage.heading("Service-Bestellung aufgeben")
        path = f"/v1/orders/{order['id']}"
        etag = (await self.got(path)).headers["ETag"]
        body = {"terms_version": "2026-01", "po_number": po_number}
        placed: Answer = (await self.posted(f"{path}/place", body, If_Match=etag)).json()
        self.stage.fact(f"Bestellung {placed['number']} aufgegeben, {money(placed['gross'])}")
        await self.followed(order, *until)
        return placed

    async def order(self, order: Answer) -> Answer:
        """The order as it stands now."""
        return dict((await self.got(f"/v1/orders/{order['id']}")).json())

    async def timeline(self, **headers: str) -> list[Answer]:
        """The account's history."""
        return list((await self.got(f"{self.path}/timeline?limit={_MOST}", **headers)).json()["items"])

    async def saw(self, command: httpx2.Response) -> None:
        """Print and keep what came with a command."""
        for item in await self.timeline(Seatledger_Wait_For=command.headers["Seatledger-Position"]):
            self._keep(item)

    async def followed(self, order: Answer, *until: str) -> None:
        """Print and keep the events as they come until all these did. Raises WalkFailed if they don't."""
        missing = list(until)
        try:
            async with asyncio.timeout(_PATIENCE):
                while missing:
                    await self._followed(f"/v1/orders/{order['id']}/progress", missing)
        except TimeoutError:
            raise self._late(missing) from None

    async def watched(self, *until: str) -> None:
        """The same where no order is followed: by looking at the account's history again and again."""
        missing = list(until)
        try:
            async with asyncio.timeout(_PATIENCE):
                while missing:
                    for item in await self.timeline():
                        name = self._keep(item)
                        if name in missing:
                            missing.remove(name)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise self._late(missing) from None

    def _late(self, missing: list[str]) -> WalkFailed:
        return WalkFailed(self.stage.step, f"{' and '.join(missing)} did not come within {_PATIENCE:.0f} s")

    async def _followed(self, path: str, missing: list[str]) -> None:
        headers = self._headers({"Last-Event-ID": str(self.position)})
        async with self.stage.client.stream("GET", path, headers=headers) as progress:
            async for line in progress.aiter_lines():
                if not line.startswith("data: "):
                    continue
                name = self._keep(json.loads(line.removeprefix("data: ")))
                if name in missing:
                    missing.remove(name)
                if not missing:
                    return
        await asyncio.sleep(0.1)  # an order that is over ends the stream, and its mail may still be on its way

    def _keep(self, item: Answer) -> str:
        name = str(item["type"].partition(".")[0])
        if item["position"] <= self.position:
            return ""
        self.events.append(item)
        self.position = item["position"]
        self.stage.event(item)
        return name

    async def read_mail(self) -> None:
        """Print what lies in the billing contact's inbox since last time."""
        address = self.account["billing_contact"]["email"]
        messages = (await self.got("/sandbox/inbox.json")).json()["messages"]
        own = [each for each in messages if each["recipient"] == address]
        for each in own[self._mails :]:
            self.stage.fact(f"E-Mail: {each['subject']}", "yellow")
        self._mails = len(own)
