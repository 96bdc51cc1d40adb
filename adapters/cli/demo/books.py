"""What everybody has written down when the demo is over: the API, the inbox and each counterparty."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy
from hashlib import sha256

from adapters.cli.demo.people import ACCOUNT_SERVICES, Customer, Person, signed_in
from adapters.cli.demo.stage import Answer, Stage


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A mail as it lies in the inbox."""

    message_id: str
    recipient: str
    header_to: str
    subject: str
    language: str
    text: str
    html: str
    pdf: bytes | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """An order's receipt in the forms that the API has."""

    view: Answer
    text: str
    html: str
    pdf: bytes


@dataclass(frozen=True, slots=True)
class AccountBooks:
    """What the API says of one account; by id, and receipts by their order's."""

    account: Answer
    subscriptions: Mapping[str, Answer]
    quotes: Mapping[str, Answer]
    orders: Mapping[str, Answer]
    receipts: Mapping[str, Receipt]
    timeline: list[Answer]


@dataclass(frozen=True, slots=True)
class Books:
    """All there is."""

    accounts: Mapping[str, AccountBooks]
    mails: list[ReceivedMail]
    movements: list[Answer]
    provisioned: list[Answer]
    admins: list[Answer]
    care: list[Answer]

    def of(self, customer: Customer) -> AccountBooks:
        """Those of one account."""
        return self.accounts[customer.account["id"]]

    def mails_to(self, customer: Customer) -> list[ReceivedMail]:
        """What lies in the inbox for the account's billing contact, oldest first."""
        contact = customer.account["billing_contact"]
        return [mail for mail in self.mails if mail.recipient == contact["email"]]

    def moved(self, order: Answer) -> list[Answer]:
        """The order's movements in the gateway's ledger, in order of time."""
        return [each for each in self.movements if each["order_id"] == order["id"]]

    def calls(self, subscription: Answer) -> Answer | None:
        """What the provisioning system has on this subscription; None: it was never asked."""
        return next((each for each in self.provisioned if each["subscription_id"] == subscription["id"]), None)


def digest_of(pdf: bytes | None) -> str | None:
    """Hex SHA-256, which tells one PDF from another as well and is shorter to print."""
    return sha256(pdf).hexdigest() if pdf else None


async def gathered(stage: Stage, customers: Iterable[Customer]) -> Books:
    """Ask everybody. Raises WalkFailed if somebody doesn't answer."""
    stage.step = "Bücher"
    staff = await signed_in(stage, ACCOUNT_SERVICES)
    messages = (await staff.got("/sandbox/inbox.json")).json()["messages"]
    return Books(
        accounts={each.account["id"]: await _account(Person(stage, each.token), each.path) for each in customers},
        mails=[_mail(each, (await staff.got(f"/sandbox/inbox/{each['number']}/raw")).content) for each in messages],
        movements=(await staff.got("/sandbox/books/payments")).json()["movements"],
        provisioned=(await staff.got("/sandbox/books/provisioning")).json()["subscriptions"],
        admins=(await staff.got("/sandbox/books/admin-directory")).json()["admins"],
        care=await staff.listed("/v1/care"),
    )


async def _account(admin: Person, path: str) -> AccountBooks:
    orders = await admin.listed(f"{path}/orders")
    return AccountBooks(
        account=(await admin.got(path)).json(),
        subscriptions=_by_id(await admin.listed(f"{path}/subscriptions")),
        quotes=_by_id(await admin.listed(f"{path}/quotes")),
        orders=_by_id(orders),
        receipts={each["id"]: await _receipt(admin, each) for each in orders if each["receipt_number"]},
        timeline=await admin.listed(f"{path}/timeline"),
    )


def _by_id(items: Iterable[Answer]) -> dict[str, Answer]:
    return {each["id"]: each for each in items}


async def _receipt(admin: Person, order: Answer) -> Receipt:
    path = f"/v1/orders/{order['id']}/receipt"
    return Receipt(
        view=(await admin.got(path)).json(),
        text=(await admin.got(path, Accept="text/plain")).text,
        html=(await admin.got(path, Accept="text/html")).text,
        pdf=(await admin.got(path, Accept="application/pdf")).content,
    )


def _mail(heading: Answer, raw: bytes) -> ReceivedMail:
    parsed = message_from_bytes(raw, policy=policy.SMTP)
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    attached = [each.get_content() for each in parsed.iter_attachments()]
    return ReceivedMail(
        message_id=heading["message_id"],
        recipient=heading["recipient"],
        header_to=str(parsed["To"]),
        subject=str(parsed["Subject"]),
        language=str(parsed["Content-Language"]),
        text=str(text.get_content()).replace("\r\n", "\n") if text else "",
        html=str(html.get_content()).replace("\r\n", "\n") if html else "",
        pdf=attached[0] if attached else None,
    )
