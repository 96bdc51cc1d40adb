"""What must be true of every order that was completed: one charge, these seats, this receipt, this mail."""

from collections.abc import Iterator

from adapters.cli.demo.books import Books, digest_of
from adapters.cli.demo.checking import Check, Expected, english, german, state
from adapters.cli.demo.people import Customer
from adapters.cli.demo.stage import Answer


def completed(
    customer: Customer, books: Books, order: Answer, wanted: Expected, last_four: str, attempt: int = 1, held: int = 0
) -> Iterator[Check]:
    """The checks. `wanted` is what is charged; `held`, if it was more, what the card's bank set aside before."""
    mine = books.of(customer)
    sentence = f"it is complete, and {german(wanted.gross)} was charged"
    yield Check("Bestellung", sentence, ("Completed", wanted.gross), state(mine.orders[order["id"]]))
    yield from _gateway(books, order, wanted, last_four, attempt, held or wanted.gross)
    for line in wanted.lines:
        subscription = mine.subscriptions[line.subscription_id]
        yield from provisioned(books, order, subscription, line.seats_after)
    yield from _receipt(customer, books, order, wanted)


def _gateway(books: Books, order: Answer, wanted: Expected, last_four: str, attempt: int, held: int) -> Iterator[Check]:
    step, gross = "Bücher der anderen", wanted.gross
    given_back = [("voided", held - gross)] if held > gross else []
    moves = [(each["kind"], each["amount"]) for each in books.moved(order)]
    sentence = f"payment gateway: held {german(held)} and charged {german(gross)}, once"
    yield Check(step, sentence, [("authorised", held), ("captured", gross), *given_back], moves)
    by = {(each["card_last_four"], each["attempt"], each["currency"]) for each in books.moved(order)}
    which = "first" if attempt == 1 else "second"
    yield Check(step, f"payment gateway: card …{last_four}, at the {which} attempt", {(last_four, attempt, "EUR")}, by)


def provisioned(books: Books, order: Answer, subscription: Answer, seats: int) -> Iterator[Check]:
    """That the provisioning system has so many seats by one call of this order, and the subscription says the same."""
    calls = books.calls(subscription) or {"seats": None, "answers": []}
    asked = [call["order_id"] for call in calls["answers"]]
    title = subscription["product_title"]
    found = (calls["seats"], asked, subscription["seats"], subscription["seats_on_order"])
    yield Check(
        "Bücher der anderen",
        f"seat provisioning: {seats} seats of {title}, asked once",
        (seats, [order["id"]], seats, 0),
        found,
    )


def _receipt(customer: Customer, books: Books, order: Answer, wanted: Expected) -> Iterator[Check]:
    step, mine, language = "Quittung", books.of(customer), customer.account["language"]
    number = mine.orders[order["id"]]["receipt_number"]
    receipt = mine.receipts[order["id"]]
    written = english if language == "en" else german
    shown = [name for name in ("net", "tax", "gross") if written(getattr(wanted, name)) in receipt.text]
    sentence = f"{number} says net {written(wanted.net)}, tax {written(wanted.tax)}, gross {written(wanted.gross)}"
    yield Check(step, sentence, ["net", "tax", "gross"], shown)
    mails = [mail for mail in books.mails_to(customer) if number in mail.subject and "receipt-" in mail.message_id]
    found = [(mail.language, mail.text, mail.html, digest_of(mail.pdf)) for mail in mails]
    in_words = {"de": "German", "en": "English"}[language]
    kept = (language, receipt.text, receipt.html, digest_of(receipt.pdf))
    yield Check(step, f"mailed once, in {in_words}, as it is kept", [kept], found)


def noticed(customer: Customer, books: Books, subject: str, *said: str) -> Check:
    """That one mail with this subject came, whose text and HTML both say all this."""
    language = customer.account["language"]
    mails = [mail for mail in books.mails_to(customer) if mail.subject == subject]
    found = [
        (mail.language, [words for words in said if words in _unbroken(mail.text) and words in _unbroken(mail.html)])
        for mail in mails
    ]
    return Check("E-Mail", subject, [(language, list(said))], found)


def _unbroken(text: str) -> str:
    return " ".join(text.split(" ")).replace("\n", " ").replace("&amp;", "&")


def happened(customer: Customer, books: Books, *types: str) -> Iterator[Check]:
    """That the events came in this order, mails aside, and that the history shows what was seen.

    When a mail is sent is up to the mail server: its event may come before or after its neighbours.
    """
    mailed = {"ReceiptSent", "OrderNoticeSent", "QuoteNoticeSent"}
    wanted = [each for each in types if each not in mailed]
    came = [each for each in customer.types if each not in mailed]
    yield Check("Ereignisse", f"{len(wanted)} facts, each once and in this order", wanted, came)
    sent = sorted(each for each in customer.types if each in mailed)
    due = sorted(each for each in types if each in mailed)
    yield Check("Ereignisse", f"and {len(due) or 'no'} sent mail{'' if len(due) == 1 else 's'}", due, sent)
    yield from remembered(customer, books)


def remembered(customer: Customer, books: Books) -> Iterator[Check]:
    """That the account's history is what its billing admin saw."""
    positions = {each["position"] for each in customer.events}
    after = [each["event_id"] for each in books.of(customer).timeline if each["position"] >= min(positions, default=0)]
    seen = [each["event_id"] for each in customer.events]
    yield Check("Ereignisse", "the history shows what was seen", seen, after)
