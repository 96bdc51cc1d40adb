"""The contract of the sandbox's books: a document is whole, and nobody's change is lost."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.sandbox_books import PostgresBooks
from adapters.sandbox_books import MemoryBooks, SandboxBooks
from services.ports import StoreUnavailable


class Spoilt(Exception):
    """Something went wrong inside a block."""


async def keep(books: SandboxBooks, book: str, key: str, **content: object) -> None:
    async with books.entry(book, key) as document:
        document.update(content)


async def spoil(books: SandboxBooks) -> None:
    async with books.entry("seats", "a") as document:
        document["seats"] = 13
        document.setdefault("lines", []).append(2)
        raise Spoilt


async def test_a_new_document_is_empty_and_there_once_its_block_has_ended(books: SandboxBooks) -> None:
    async with books.entry("seats", "a") as document:
        assert document == {}
        document["seats"] = 13
    assert await books.read("seats", "a") == {"seats": 13}


async def test_an_exception_in_the_block_leaves_no_new_document(books: SandboxBooks) -> None:
    with pytest.raises(Spoilt):
        await spoil(books)
    assert await books.read("seats", "a") is None
    assert await books.list("seats") == []


async def test_an_exception_in_the_block_leaves_the_old_document(books: SandboxBooks) -> None:
    await keep(books, "seats", "a", seats=10, lines=[1])
    with pytest.raises(Spoilt):
        await spoil(books)
    assert await books.read("seats", "a") == {"seats": 10, "lines": [1]}


async def test_a_cancelled_task_leaves_no_half_document_and_holds_nobody_up(books: SandboxBooks) -> None:
    inside = asyncio.Event()

    async def never_ends() -> None:
        async with books.entry("seats", "a") as document:
            document["seats"] = 13
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(never_ends())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await books.read("seats", "a") is None
    async with asyncio.timeout(5):
        await keep(books, "seats", "a", seats=10)
    assert await books.read("seats", "a") == {"seats": 10}


async def test_a_task_cancelled_while_it_waits_holds_nobody_up(books: SandboxBooks) -> None:
    async with books.entry("seats", "a") as document:
        waiting = asyncio.create_task(keep(books, "seats", "a", seats=99))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        document["seats"] = 10
    async with asyncio.timeout(5):
        await keep(books, "seats", "a", more=1)
    assert await books.read("seats", "a") == {"seats": 10, "more": 1}


async def test_of_fifty_changes_at_once_none_is_lost(books: SandboxBooks) -> None:
    async def add_one() -> None:
        async with books.entry("seats", "a") as document:
            before = document.get("seats", 0)
            await asyncio.sleep(0)
            document["seats"] = before + 1

    await asyncio.gather(*(add_one() for _ in range(50)))
    assert await books.read("seats", "a") == {"seats": 50}


async def test_other_documents_do_not_wait_for_a_block(books: SandboxBooks) -> None:
    async with asyncio.timeout(5), books.entry("seats", "a"):
        await keep(books, "seats", "b", seats=1)
        await keep(books, "other", "a", seats=2)
    assert await books.read("seats", "b") == {"seats": 1}
    assert await books.read("other", "a") == {"seats": 2}


async def test_reading_waits_for_no_block_and_sees_what_was_stored_last(books: SandboxBooks) -> None:
    await keep(books, "seats", "a", seats=10)
    async with asyncio.timeout(5), books.entry("seats", "a") as document:
        document["seats"] = 13
        assert await books.read("seats", "a") == {"seats": 10}
        assert await books.list("seats") == [("a", {"seats": 10})]


async def test_a_list_is_in_order_of_first_insertion_whatever_is_changed_later(books: SandboxBooks) -> None:
    for key in "cab":
        await keep(books, "seats", key, seats=1)
    await keep(books, "seats", "c", seats=2)
    await keep(books, "other", "d", seats=1)
    assert await books.list("seats") == [("c", {"seats": 2}), ("a", {"seats": 1}), ("b", {"seats": 1})]


async def test_an_emptied_document_is_gone_and_may_come_again(books: SandboxBooks) -> None:
    await keep(books, "seats", "a", seats=1)
    async with books.entry("seats", "a") as document:
        document.clear()
    assert await books.read("seats", "a") is None
    assert await books.list("seats") == []
    await keep(books, "seats", "a", seats=2)
    assert await books.list("seats") == [("a", {"seats": 2})]


async def test_a_block_that_writes_nothing_makes_no_document(books: SandboxBooks) -> None:
    async with books.entry("seats", "a"):
        pass
    assert await books.read("seats", "a") is None
    assert await books.list("seats") == []


async def test_what_was_read_is_a_copy(books: SandboxBooks) -> None:
    await keep(books, "seats", "a", lines=[{"seats": 1}])
    read = await books.read("seats", "a")
    assert read is not None
    read["lines"][0]["seats"] = 99
    (await books.list("seats"))[0][1]["lines"].clear()
    async with books.entry("seats", "a") as document:
        kept = document
    kept["lines"].clear()
    assert await books.read("seats", "a") == {"lines": [{"seats": 1}]}


@pytest.mark.parametrize("content", [{1}, float("nan"), float("inf"), "\0", "\\\0", "\ud800", b"bytes", object()])
async def test_what_is_no_json_is_refused_and_nothing_stored(books: SandboxBooks, content: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        await keep(books, "seats", "a", seats=1, content=content)
    assert await books.read("seats", "a") is None
    await keep(books, "seats", "a", seats=2)
    assert await books.read("seats", "a") == {"seats": 2}


async def test_every_other_content_comes_back_as_it_was(books: SandboxBooks) -> None:
    content: dict[str, object] = {
        "text": "Grüße, 'so' \"und\" so\r\n\t\\u0000 %s 💶",
        "amounts": [0, -1, 2**63, 0.5],
        "none": None,
        "yes": True,
        "within": {"lines": [{}, []]},
    }
    await keep(books, "ü", "a/b c%s", **content)
    assert await books.read("ü", "a/b c%s") == content


async def test_true_is_not_taken_for_one(books: SandboxBooks) -> None:
    await keep(books, "seats", "a", seats=1)
    await keep(books, "seats", "a", seats=True)
    assert str(await books.read("seats", "a")) == "{'seats': True}"


async def test_who_waits_too_long_for_a_document_is_told_so() -> None:
    books = MemoryBooks(longest_wait=0.05)
    async with books.entry("seats", "a"):
        with pytest.raises(StoreUnavailable):
            await keep(books, "seats", "a", seats=1)
    await keep(books, "seats", "a", seats=2)


@pytest.fixture
async def pools(sandbox_url: str) -> AsyncIterator[list[AsyncConnectionPool[AsyncConnection]]]:
    made: list[AsyncConnectionPool[AsyncConnection]] = [
        AsyncConnectionPool(sandbox_url, min_size=1, max_size=1, open=False) for _ in range(2)
    ]
    async with made[0], made[1]:
        yield made


@pytest.mark.system
async def test_two_processes_pools_wait_for_each_others_blocks(
    pools: list[AsyncConnectionPool[AsyncConnection]],
) -> None:
    first, second = (PostgresBooks(pool, longest_wait=0.2) for pool in pools)
    async with first.entry("seats", "a") as document:
        document["seats"] = 10
        with pytest.raises(StoreUnavailable):
            await keep(second, "seats", "a", seats=13)
    await keep(second, "seats", "a", more=1)
    assert await first.read("seats", "a") == {"seats": 10, "more": 1}


@pytest.mark.system
async def test_a_closed_pool_is_reported_as_an_unavailable_store(
    pools: list[AsyncConnectionPool[AsyncConnection]],
) -> None:
    books = PostgresBooks(pools[0])
    await pools[0].close()
    for call in (keep(books, "seats", "a", seats=1), books.read("seats", "a"), books.list("seats")):
        with pytest.raises(StoreUnavailable):
            await call


_KILLED_INSIDE = """
import asyncio, os, signal, sys
from psycopg_pool import AsyncConnectionPool
from adapters.postgres.sandbox_books import PostgresBooks

async def main():
    async with AsyncConnectionPool(sys.argv[1], min_size=1, open=False) as pool:
        async with PostgresBooks(pool).entry("seats", "whole") as document:
            document["seats"] = 10
        async with PostgresBooks(pool).entry("seats", "half") as document:
            document["seats"] = 13
            os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.system
async def test_kill_9_inside_a_block_keeps_what_was_whole_and_leaves_no_half(
    sandbox_url: str, pools: list[AsyncConnectionPool[AsyncConnection]]
) -> None:
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _KILLED_INSIDE, sandbox_url, cwd=root)
    assert await process.wait() == -signal.SIGKILL
    books = PostgresBooks(pools[0])
    await keep(books, "seats", "half", seats=1)
    assert await books.list("seats") == [("whole", {"seats": 10}), ("half", {"seats": 1})]
