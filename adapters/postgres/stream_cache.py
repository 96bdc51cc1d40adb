"""The streams that were used last, decoded: an event never changes, so only those after it need to be read."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from domain.ledger import LedgerEvent

EVENTS_AT_MOST: Final = 20_000
"""About 30 MB."""


class StreamCache:
    """The first events of streams, without a gap. Whether there are more is asked of the store each time."""

    def __init__(self, events_at_most: int = EVENTS_AT_MOST) -> None:
        """The stream that was not used for longest is forgotten first."""
        self._events_at_most, self._size = events_at_most, 0
        self._streams: OrderedDict[UUID, list[LedgerEvent]] = OrderedDict()

    def known(self, id: UUID) -> Sequence[LedgerEvent]:
        """Versions 1 to n of the stream, n being 0 for one that is not here."""
        events = self._streams.get(id)
        if events is None:
            return ()
        self._streams.move_to_end(id)
        return tuple(events)

    def add(self, id: UUID, version: int, event: LedgerEvent) -> None:
        """Remember the stream's event of this version, if it is the next one."""
        events = self._streams.setdefault(id, [])
        if version != len(events) + 1:
            if not events:
                del self._streams[id]
            return
        events.append(event)
        self._streams.move_to_end(id)
        self._size += 1
        while self._size > self._events_at_most and len(self._streams) > 1:
            self._size -= len(self._streams.popitem(last=False)[1])
