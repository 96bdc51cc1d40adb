"""A clock that stands still until somebody moves it."""

from datetime import datetime, timedelta


class StandingClock:
    """services.ports.Clock: business time as it was set."""

    def __init__(self, at: datetime) -> None:
        """Stand at this instant."""
        self.at = at

    async def now(self) -> datetime:
        """See services.ports.Clock."""
        return self.at

    def move(self, by: timedelta) -> None:
        """Stand later; raises ValueError for earlier."""
        if by < timedelta(0):
            message = "the clock moves forwards only"
            raise ValueError(message)
        self.at += by
