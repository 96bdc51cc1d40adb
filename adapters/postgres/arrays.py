"""Arrays as parameters of a statement."""

from collections.abc import Iterable


def array_of(values: Iterable[object]) -> str:
    """The array as text, which the statement casts: psycopg would look at each element, and take ten times as long.

    For numbers, ids and names of events, whose text PostgreSQL reads without quotes.
    """
    return "{" + ",".join(map(str, values)) + "}"
