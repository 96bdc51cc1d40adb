"""Every projection there is."""

from typing import Final

from projections.care import care
from projections.fulfilment_todo import fulfilment_todo
from projections.notices_todo import notices_todo
from projections.portal import portal
from projections.receipts_todo import receipts_todo
from projections.timers import timers

PROJECTIONS: Final = (portal, fulfilment_todo, receipts_todo, notices_todo, timers, care)
