"""What is logged tells no secret and nobody's data, whoever wrote the message and whatever failed.

By construction: a message gets its arguments only as ids, numbers and plain words, an exception only its kind and where
it was raised, since what libraries put into their texts is not ours to know. Then patterns take out what still looks
like a secret, an address or a card number.
"""

import logging
import re
import traceback
from types import TracebackType
from typing import Any, Final

from domain.card_numbers import contains_card_number

REDACTED: Final = "[redacted]"

_PATTERNS: Final = (
    re.compile(r"(?<=://)[^\s/@]*:[^\s/@]*(?=@)"),  # user and password of a URL
    re.compile(r"\beyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_.-]*"),  # a JSON Web Token
    re.compile(r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"(?i)\b(?:password|passwd|secret|token|api[_-]?key|authorization|cookie)\b\s*[=:]\s*[^\s,;&]+"),
    re.compile(r"\b(?:sk|rk|pk|whsec|tok|pm|src|card)_[A-Za-z0-9_]{4,}"),  # a payment provider's
    re.compile(r"[^\s@<>\"'(]+@[^\s@<>\"')]+\.[^\s@<>\"')]+"),  # an e-mail address
)


def redacted(text: str) -> str:
    """The text without what looks like a secret, an address or a card number.

    >>> redacted("postgresql://app:hunter2@db/ledger: no answer for anna@lindner.example")
    'postgresql://[redacted]@db/ledger: no answer for [redacted]'
    """
    for pattern in _PATTERNS:
        text = pattern.sub(REDACTED, text)
    if not contains_card_number(text):
        return text
    return " ".join(re.sub(r"[0-9](?:[ .\-]?[0-9]){11,22}", REDACTED, line) for line in text.split("\n"))


def where(kind: type[BaseException] | None, trace: TracebackType | None) -> str:
    """Where an exception was raised and of which kind, without what it says."""
    frames = [f"  {each.filename}:{each.lineno} in {each.name}" for each in traceback.extract_tb(trace)]
    return "\n".join([*frames, kind.__name__ if kind else "no exception"])


def _harmless(value: object) -> object:
    """An argument of a message; an exception as the kind of it."""
    return type(value).__name__ if isinstance(value, BaseException) else value


class Redacting(logging.Filter):
    """The one filter that every handler has."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; it is always let through."""
        if isinstance(record.args, tuple):
            record.args = tuple(_harmless(each) for each in record.args)
        try:
            record.msg, record.args = redacted(record.getMessage()), None
        except (TypeError, ValueError):  # logging would print all of it to say so
            record.msg, record.args = f"a message of {record.name} that can't be put together", None
        if record.exc_info and record.exc_info[0]:
            kind, error, trace = record.exc_info
            chain = [where(kind, trace)]
            cause: Any = error and (error.__cause__ or error.__context__)
            while cause is not None and len(chain) < 5:  # noqa: PLR2004 -- more explains nothing more
                chain.append(f"because of\n{where(type(cause), cause.__traceback__)}")
                cause = cause.__cause__ or cause.__context__
            record.msg = "\n".join([record.msg, *chain])
        record.exc_info = record.exc_text = record.stack_info = None
        return True
