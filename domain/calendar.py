"""Business days: an instant seen from an account's time zone."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def business_day(at: datetime, time_zone: str) -> date:
    """The day that `at` falls on in the time zone (IANA name).

    >>> business_day(datetime(2026, 3, 31, 22, 30, tzinfo=UTC), "Europe/Berlin")
    datetime.date(2026, 4, 1)
    """
    return at.astimezone(ZoneInfo(time_zone)).date()


def first_instant(day: date, time_zone: str) -> datetime:
    """Midnight that begins `day` in the time zone, in UTC.

    >>> first_instant(date(2026, 4, 1), "Europe/Berlin")
    datetime.datetime(2026, 3, 31, 22, 0, tzinfo=datetime.timezone.utc)
    """
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)
