"""Ids and numbers made from what is already known, so that doing a thing twice names the same thing."""

from uuid import UUID, uuid5

_LEDGER = UUID("5ea71ed9-0000-5000-8000-000000000001")
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U to misread


def command_id(account_id: UUID, actor_id: str, idempotency_key: str) -> UUID:
    """The command that this actor sent under this key for this account."""
    return uuid5(account_id, f"command\x1f{actor_id}\x1f{idempotency_key}")


def event_id(command: UUID, index: int) -> UUID:
    """The command's event number `index`, counted from 0."""
    return uuid5(command, f"event:{index}")


def account_id(number: str) -> UUID:
    """The account with this number."""
    return uuid5(_LEDGER, f"account:{number}")


def subscription_id(number: str) -> UUID:
    """The subscription with this number."""
    return uuid5(_LEDGER, f"subscription:{number}")


def quote_id(command: UUID) -> UUID:
    """The quote that this command issues."""
    return uuid5(command, "quote")


def order_id(quote: UUID) -> UUID:
    """The one service order of a quote; preparing again gives the same."""
    return uuid5(quote, "order")


def receipt_series_id(seller: str, year: int) -> UUID:
    """The receipt numbers of one seller and year."""
    return uuid5(_LEDGER, f"receipts:{seller}:{year}")


def credit_note_series_id(seller: str, year: int) -> UUID:
    """The credit note numbers of one seller and year."""
    return uuid5(_LEDGER, f"credit-notes:{seller}:{year}")


def vault_id(owner: UUID, kind: str) -> UUID:
    """Where the vault keeps this kind of record of this owner."""
    return uuid5(owner, f"vault:{kind}")


def work_id(subject: UUID, work: str) -> UUID:
    """A to-do list's entry for this work on this subject."""
    return uuid5(subject, f"work:{work}")


def document_number(prefix: str, id: UUID) -> str:
    """What people say on the phone: the prefix and 50 bits of the id in two groups of five.

    >>> document_number("Q", UUID("00000000-0000-0000-0000-00000000002a"))
    'Q-00000-0001A'
    """
    rest, digits = id.int & (1 << 50) - 1, ""
    for _ in range(10):
        rest, digit = divmod(rest, 32)
        digits = _ALPHABET[digit] + digits
    return f"{prefix}-{digits[:5]}-{digits[5:]}"
