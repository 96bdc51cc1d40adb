"""Every event of the ledger as a sentence for people, and every role as the person that it is to them."""

from collections.abc import Mapping
from typing import Final

from adapters.http.portal.words import msgid
from domain.envelope import Role

HAPPENINGS: Final[Mapping[str, str]] = {
    "AccountOpened.v1": msgid("The account was opened."),
    "BillingContactChanged.v1": msgid("The billing contact was changed."),
    "BillingAddressChanged.v1": msgid("The billing address was changed."),
    "AccountLocaleChanged.v1": msgid("Language or time zone was changed."),
    "PaymentMethodSelected.v1": msgid("A card was chosen for payment."),
    "SelfServiceRestricted.v1": msgid("Ordering online was stopped; Corporate Account Services helps."),
    "SelfServiceAllowed.v1": msgid("Ordering online was allowed again."),
    "OpenQuoteChanged.v1": msgid("The open quote changed."),
    "SubscriptionStarted.v1": msgid("A subscription began."),
    "SeatsRequested.v1": msgid("Seats were put on a quote."),
    "SeatChangeOrdered.v1": msgid("Seats were ordered."),
    "SeatsProvisioned.v1": msgid("The new seats are ready."),
    "ProvisioningRejected.v1": msgid("The new seats could not be set up."),
    "SeatChangeReleaseBegun.v1": msgid("Seats on order are being called off."),
    "SeatChangeReleased.v1": msgid("Seats on order were called off."),
    "SubscriptionRenewed.v1": msgid("The subscription was renewed."),
    "SubscriptionCancellationScheduled.v1": msgid("The subscription was cancelled to the end of its term."),
    "SubscriptionEnded.v1": msgid("The subscription ended."),
    "QuoteIssued.v1": msgid("A quote was made."),
    "QuoteAccepted.v1": msgid("The quote was accepted."),
    "QuoteDeclined.v1": msgid("The quote was declined."),
    "QuoteExpired.v1": msgid("The quote expired."),
    "QuoteExpiredBySupersession.v1": msgid("A newer quote replaced this one."),
    "QuoteExpiresSoon.v1": msgid("The quote will expire soon."),
    "QuoteNoticeSent.v1": msgid("An email about the quote was sent."),
    "QuoteNoticeUndeliverable.v1": msgid("An email about the quote could not be delivered."),
    "ServiceOrderPrepared.v1": msgid("A service order was prepared."),
    "OrderDetailsChanged.v1": msgid("Contact, address or card of the order was changed."),
    "OrderPlaced.v1": msgid("The service order was placed."),
    "PaymentAttemptStarted.v1": msgid("The payment was begun."),
    "PaymentActionRequired.v1": msgid("The bank asked for a confirmation of the payment."),
    "PaymentAuthorised.v1": msgid("The money was reserved on the card."),
    "PaymentDeclined.v1": msgid("The bank declined the payment."),
    "PaymentOutcomeUnknown.v1": msgid("The payment provider did not say whether the payment worked."),
    "PaymentAuthorisationLapsed.v1": msgid("The reservation on the card ran out."),
    "PaymentCaptured.v1": msgid("The card was charged."),
    "PaymentCaptureFailed.v1": msgid("The card could not be charged."),
    "PaymentDeadlinePassed.v1": msgid("The time to pay ran out."),
    "PaymentVoided.v1": msgid("A reservation on the card was given back."),
    "PaymentRefunded.v1": msgid("Money was given back to the card."),
    "RefundRequested.v1": msgid("A refund was asked for."),
    "PaymentRefundFailed.v1": msgid("The refund did not work."),
    "AdminContactAssigned.v1": msgid("The admin was set up in the Admin Center."),
    "OrderLineProvisioned.v1": msgid("The seats of a line are ready."),
    "OrderLineRejected.v1": msgid("The seats of a line could not be set up; nobody is charged for them."),
    "AdminSeatsAssigned.v1": msgid("The admin has a seat of each product."),
    "OrderCompleted.v1": msgid("The order was completed."),
    "OrderCancellationRequested.v1": msgid("The order is being called off."),
    "OrderCancelled.v1": msgid("The order was called off."),
    "OrderDelayed.v1": msgid("The order takes longer than usual."),
    "OrderOverdue.v1": msgid("The order was not completed in 24 hours."),
    "ReceiptSent.v1": msgid("The receipt was emailed."),
    "ReceiptUndeliverable.v1": msgid("The receipt could not be delivered."),
    "ReceiptResendRequested.v1": msgid("The receipt was asked for once more."),
    "OrderNoticeSent.v1": msgid("An email about the order was sent."),
    "OrderNoticeUndeliverable.v1": msgid("An email about the order could not be delivered."),
    "AnswerNotUnderstood.v1": msgid("A partner's system gave an answer that does not fit; nothing was booked from it."),
    "CareEntryClosed.v1": msgid("Corporate Account Services dealt with a matter of the order."),
    "ReceiptSeriesOpened.v1": msgid("The receipts of a year began."),
    "ReceiptIssued.v1": msgid("A receipt was issued."),
    "CreditNoteSeriesOpened.v1": msgid("The credit notes of a year began."),
    "CreditNoteIssued.v1": msgid("A credit note was issued."),
}
"""By the event's stored name."""

BESIDE: Final = frozenset(
    {
        "OpenQuoteChanged.v1",
        "SeatsRequested.v1",
        "SeatChangeOrdered.v1",
        "OrderLineProvisioned.v1",
        "OrderLineRejected.v1",
        "SeatChangeReleaseBegun.v1",
        "QuoteAccepted.v1",
    }
)
"""What follows from something else that is recorded at the same time."""

PEOPLE: Final[Mapping[Role, str]] = {
    Role.BILLING_ADMIN: msgid("A billing admin"),
    Role.SALES_REP: msgid("Sales"),
    Role.ACCOUNT_SERVICES: msgid("Corporate Account Services"),
    Role.FINANCE: msgid("Finance"),
    Role.INVESTIGATOR: msgid("An investigator"),
    Role.OPERATOR: msgid("An operator"),
    Role.SERVICE: msgid("Automatically"),
}
_YOU: Final = msgid("You")


def happened(topic: str) -> str:
    """The sentence for an event's stored name, to be looked up in the catalogue."""
    return HAPPENINGS[topic]


def who(actor_id: str, role: str, me: str) -> str:
    """Whoever acted, never by name: `me` is the reader's own id."""
    return _YOU if actor_id == me else PEOPLE[Role(role)]
