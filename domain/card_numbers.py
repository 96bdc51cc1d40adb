"""Tells a card number in free text from the order references and phone numbers that only look like one."""

import re
import unicodedata
from typing import Final

_DIGIT_RUNS: Final = re.compile(r"(?<![0-9+])[0-9](?:[ .\-\u00a0\u2009]?[0-9]){11,22}(?![0-9])")

# One in about seven thousand random UUIDs would look like a card number, and clients name their requests by UUIDs.
_UUIDS: Final = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE
)

# Issuer prefixes and lengths as the card schemes publish them (ISO/IEC 7812 ranges).
_SCHEMES: Final = (
    (re.compile(r"4"), {16, 19}),  # Visa; its old 13 digits would refuse telephone numbers
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), {16}),  # Mastercard
    (re.compile(r"3[47]"), {15}),  # American Express
    (re.compile(r"6011|64[4-9]|65"), {16, 17, 18, 19}),  # Discover
    (re.compile(r"30[0-5]|3095|36|38|39"), {14, 15, 16, 17, 18, 19}),  # Diners Club
    (re.compile(r"352[89]|35[3-8]"), {16, 17, 18, 19}),  # JCB
    (re.compile(r"62"), {16, 17, 18, 19}),  # UnionPay
    (re.compile(r"50|5[6-9]|6[0-9]"), {16, 18, 19}),  # Maestro
)


def contains_card_number(text: str) -> bool:
    """Whether length, issuer prefix and Luhn digit all fit somewhere in `text`.

    >>> contains_card_number("card 4242 4242 4242 4242, thanks")
    True
    >>> contains_card_number("PO 4242 4242 4242 4241")
    False

    A UUID (RFC 9562, with its version and variant) is none, whatever its digits.
    """
    # Digits of every script count.
    plain = "".join(str(unicodedata.decimal(character, character)) for character in text)
    return any(
        _is_card_number(re.sub(r"[^0-9]", "", run.group())) for run in _DIGIT_RUNS.finditer(_UUIDS.sub(" ", plain))
    )


def _is_card_number(digits: str) -> bool:
    return _luhn_holds(digits) and any(len(digits) in lengths and prefix.match(digits) for prefix, lengths in _SCHEMES)


def _luhn_holds(digits: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0  # noqa: PLR2004 -- cross sum of two digits
