"""The mails that are due beside the receipt: an entry each, gone when it was sent, can't be, or its quote ended."""

from uuid import UUID

from domain.envelope import Recorded
from domain.identifiers import work_id
from domain.notices import Notice, NoticeKind
from domain.order import ServiceOrder, notice_asked_for_by
from domain.quote import Quote
from projections.fold import Projection, Table
from projections.todo import TodoRow, entry

entries = Table("entries", TodoRow, key="entry_id")
notices_todo = Projection("notices_todo", 2, entries)

_OF_QUOTE = Notice(NoticeKind.QUOTE_EXPIRES_SOON)


def _asked_for(event: ServiceOrder.Event, _: Recorded) -> tuple[UUID, ...]:
    notice = notice_asked_for_by(event)
    return (work_id(event.originator_id, notice.work),) if notice else ()


@entries.on(
    ServiceOrder.PaymentDeclined,
    ServiceOrder.PaymentAuthorisationLapsed,
    ServiceOrder.PaymentCaptureFailed,
    ServiceOrder.PaymentActionRequired,
    ServiceOrder.OrderCompleted,
    ServiceOrder.OrderCancelled,
    ServiceOrder.OrderOverdue,
    ServiceOrder.PaymentRefunded,
    keys=_asked_for,
)
def _due(_: None, event: ServiceOrder.Event, recorded: Recorded) -> TodoRow | None:
    notice = notice_asked_for_by(event)
    return entry(notice.work, recorded) if notice else None


Settled = ServiceOrder.OrderNoticeSent | ServiceOrder.OrderNoticeUndeliverable


def _settled_notice(event: Settled, _: Recorded) -> tuple[UUID]:
    return (work_id(event.originator_id, Notice(event.kind, event.reference).work),)


@entries.on(ServiceOrder.OrderNoticeSent, ServiceOrder.OrderNoticeUndeliverable, keys=_settled_notice)
def _settled(_: TodoRow | None, __: Settled, ___: Recorded) -> None:
    return None


def _of_quote(event: Quote.Event, _: Recorded) -> tuple[UUID]:
    return (work_id(event.originator_id, _OF_QUOTE.work),)


@entries.on(Quote.QuoteExpiresSoon, keys=_of_quote)
def _quote_expires_soon(_: None, __: Quote.QuoteExpiresSoon, recorded: Recorded) -> TodoRow:
    return entry(_OF_QUOTE.work, recorded)


@entries.on(
    Quote.QuoteNoticeSent,
    Quote.QuoteNoticeUndeliverable,
    Quote.QuoteAccepted,
    Quote.QuoteDeclined,
    Quote.QuoteExpired,
    Quote.QuoteExpiredBySupersession,
    keys=_of_quote,
)
def _nothing_to_tell_of_quote(_: TodoRow | None, __: Quote.Event, ___: Recorded) -> None:
    return None
