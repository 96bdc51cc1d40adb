"""The log in Kafka, and the store's own while Kafka lags for too long: for what must not wait, such as receipts."""

import logging
import time
from collections.abc import Collection, Mapping
from typing import Final

from adapters.log.direct import DirectLog
from adapters.log.event_log import EventLog, LogRefused, LogUnavailable, Page
from adapters.postgres.publishing import Publication

_log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS: Final = 1.0
_BACK_WITHIN_SECONDS: Final = 2.0


class FallingBack:
    """EventLog over both. Positions are the same in both, so going over and back loses and repeats nothing."""

    def __init__(self, kafka: EventLog, store: DirectLog, publication: Publication, lag_seconds: float) -> None:
        """`lag_seconds`: how long an event may be in the store and not read from Kafka."""
        self._kafka, self._store, self._publication, self._lag_seconds = kafka, store, publication, lag_seconds
        self._looked_at = float("-inf")
        self._failing_since: float | None = None
        self.reads_store = False

    async def identity(self) -> str:
        """See EventLog."""
        if self.reads_store:
            return await self._store.identity()
        try:
            return await self._kafka.identity()
        except (LogUnavailable, LogRefused):
            self._failing_since = self._failing_since or time.monotonic()
            lag = (await self._publication.state()).seconds_behind
            if max(lag, time.monotonic() - self._failing_since) < self._lag_seconds:
                raise
            self._go_over()
            return await self._store.identity()

    async def ends(self) -> Mapping[int, int]:
        """See EventLog."""
        return await (self._store if self.reads_store else self._kafka).ends()

    async def head(self) -> int:
        """See EventLog."""
        return await self._store.head()

    async def read(self, after: Mapping[int, int], limit: int, without: Collection[str] = ()) -> Page:
        """See EventLog."""
        if after and time.monotonic() > self._looked_at + _LOOK_EVERY_SECONDS:
            self._looked_at = time.monotonic()
            if self.reads_store:
                await self._back_if_it_goes_on()
            elif await self._publication.seconds_past(min(after.values())) > self._lag_seconds:
                self._go_over()
        if self.reads_store:
            return await self._store.read(after, limit, without)
        page = await self._kafka.read(after, limit, without)
        self._failing_since = None
        return page

    async def wait(self, poll_seconds: float) -> None:
        """See EventLog."""
        await (self._store if self.reads_store else self._kafka).wait(poll_seconds)

    async def close(self) -> None:
        """See EventLog."""
        await self._kafka.close()

    def _go_over(self) -> None:
        _log.warning("the log in Kafka lags for more than %g s: read from the store meanwhile", self._lag_seconds)
        self.reads_store = True

    async def _back_if_it_goes_on(self) -> None:
        if (await self._publication.state()).seconds_behind > _BACK_WITHIN_SECONDS:
            return
        try:
            await self._kafka.identity()
        except (LogUnavailable, LogRefused):
            return
        _log.warning("the log in Kafka goes on: read from there again")
        self.reads_store, self._failing_since = False, None
