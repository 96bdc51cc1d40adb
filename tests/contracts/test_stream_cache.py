"""Remembered streams: whole from the first event on, bounded, and never in the way of what another process wrote."""

from uuid import UUID, uuid4

import pytest

from adapters.bootstrap import opened_ledger
from adapters.postgres.stream_cache import StreamCache
from adapters.settings import Settings
from domain.account import BillingAccount, RestrictionReason
from domain.ledger import LedgerEvent
from tests.domain.examples import account_with_card
from tests.system.customers import LINDNER, _context, customers


def events(count: int) -> list[LedgerEvent]:
    account = account_with_card()
    for number in range(count):
        account.restrict_self_service(list(RestrictionReason)[number % 2], account.modified_on)
    return list(account.collect_events())[:count]


def test_only_the_next_event_is_remembered() -> None:
    cache, id, (first, second, third) = StreamCache(), uuid4(), events(3)
    cache.add(id, 2, second)
    assert cache.known(id) == ()
    cache.add(id, 1, first)
    cache.add(id, 3, third)
    cache.add(id, 1, third)
    assert cache.known(id) == (first,)
    cache.add(id, 2, second)
    assert cache.known(id) == (first, second)


def test_what_was_not_used_for_longest_is_forgotten_first_and_whole() -> None:
    cache, (first, second) = StreamCache(events_at_most=4), events(2)
    used, unused, new = UUID(int=1), UUID(int=2), UUID(int=3)
    for id in (used, unused):
        cache.add(id, 1, first)
        cache.add(id, 2, second)
    assert cache.known(used)
    cache.add(new, 1, first)
    assert (len(cache.known(used)), len(cache.known(unused)), len(cache.known(new))) == (2, 0, 1)


def test_one_stream_longer_than_all_may_stay() -> None:
    cache, id = StreamCache(events_at_most=2), uuid4()
    for version, event in enumerate(events(5), start=1):
        cache.add(id, version, event)
    assert len(cache.known(id)) == 5


@pytest.mark.system
async def test_what_another_process_wrote_is_seen_at_the_next_load(ledger_url: str) -> None:
    await customers(ledger_url)
    settings = Settings(sandbox=True)
    async with opened_ledger(settings, ledger_url) as one, opened_ledger(settings, ledger_url) as other:
        for reason in (*RestrictionReason, *RestrictionReason):
            before = (await one.events.load(LINDNER)).require(BillingAccount, LINDNER)
            context = await _context(other, LINDNER, f"{reason}{before.version}")
            await other.accounts.restrict_self_service(LINDNER, reason, context)
            after = (await one.events.load(LINDNER)).require(BillingAccount, LINDNER)
            assert (after.restriction, after.version) == (reason, before.version + 1)
            assert vars(after) == vars((await other.events.load(LINDNER)).require(BillingAccount, LINDNER))
