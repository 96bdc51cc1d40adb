"""What must be true of all ways together: the books of everybody against each other."""

from collections import Counter
from collections.abc import Iterator, Sequence

from adapters.cli.demo.books import Books
from adapters.cli.demo.checking import Check, german
from adapters.cli.demo.ways import Way

_STEP = "Alles zusammen"


def balanced(ways: Sequence[Way], books: Books) -> Iterator[Check]:
    """The checks."""
    orders = {id: order for account in books.accounts.values() for id, order in account.orders.items()}
    by_kind = Counter[str]()
    for each in books.movements:
        by_kind[each["kind"]] += each["amount"]
    strangers = [each["intent_id"] for each in books.movements if each["order_id"] not in orders]
    yield Check(_STEP, "payment gateway: no movement that is not for one of these orders", [], strangers)
    # What an order says was captured is what is left of it after refunds.
    refunded = sum(order["refunded"]["amount"] for order in orders.values())
    captured = sum(order["captured"]["amount"] for order in orders.values()) + refunded
    sentence = f"charged in all: {german(by_kind['captured'])}, as the orders say"
    yield Check(_STEP, sentence, (captured, refunded), (by_kind["captured"], by_kind["refunded"]))
    open_holds = by_kind["authorised"] - by_kind["captured"] - by_kind["voided"]
    yield Check(_STEP, "what was held is charged or given back, to the cent", 0, open_holds)
    receipts = [receipt for account in books.accounts.values() for receipt in account.receipts.values()]
    numbers = sorted(receipt.view["number"][-6:] for receipt in receipts)
    charged = [order for order in orders.values() if order["captured"]["amount"] + order["refunded"]["amount"]]
    wanted = [f"{number:06}" for number in range(1, len(charged) + 1)]
    yield Check(_STEP, f"{len(charged)} charges, {len(charged)} receipts, numbered without a gap", wanted, numbers)
    yield Check(_STEP, "no mail came twice", [], _twice(mail.message_id for mail in books.mails))
    ids = [each["event_id"] for account in books.accounts.values() for each in account.timeline]
    yield Check(_STEP, f"{len(ids)} events, each with an id of its own", [], _twice(ids))
    yield Check(_STEP, "the care list is empty", [], [each["care"] for each in books.care])
    logins = [customer.account["id"] for way in ways for customer in way.customers]
    yield Check(_STEP, "each way had accounts of its own", [], _twice(logins))


def _twice(items: Iterator[str] | Sequence[str]) -> list[str]:
    return [item for item, count in Counter(items).items() if count > 1]
