"""The books of the sandbox counterparties: JSON documents by book and key, each locked while it is changed."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, TypeAlias
from weakref import WeakValueDictionary

from services.ports import StoreUnavailable

Document: TypeAlias = dict[str, Any]
"""A JSON object. The order of its names means nothing and may change; what has an order is a list."""

Entries: TypeAlias = list[tuple[str, Document]]

LONGEST_WAIT: Final = 10.0
"""Seconds that an entry waits for another's block on the same document, unless its books were told otherwise."""

_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class SandboxBooks(Protocol):
    """Documents outside the event store. An empty document is one that is not there.

    Every call may raise StoreUnavailable. Inside an entry's block no other call is made: each takes a connection of
    its own, and blocks that wait for each other's connection would stop all of them.
    """

    def entry(self, book: str, key: str) -> AbstractAsyncContextManager[Document]:
        """Lock the document for the block, empty if it is new; stored when the block ends normally, else untouched.

        Raises ValueError or TypeError at the block's end for what is not JSON, and StoreUnavailable if another
        block held the document for too long.
        """

    async def read(self, book: str, key: str) -> Document | None:
        """The document as it was last stored, without waiting for a block that holds it."""

    async def list(self, book: str) -> Entries:
        """All documents of the book by key, in order of first insertion."""


def stored_form(document: Document) -> str:
    """The document as JSON text; raises ValueError or TypeError for what PostgreSQL's jsonb could not hold.

    >>> stored_form({"seats": 13})
    '{"seats": 13}'
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    text.encode()  # a lone surrogate is no character
    if _NUL.search(text):
        message = "a document can't hold the character NUL"
        raise ValueError(message)
    return text


class MemoryBooks:
    """The books in one process's memory, for one event loop."""

    def __init__(self, longest_wait: float = LONGEST_WAIT) -> None:
        """Begin empty."""
        self._longest_wait = longest_wait
        self._books: dict[str, dict[str, str]] = {}
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def entry(self, book: str, key: str) -> AsyncIterator[Document]:
        """See SandboxBooks."""
        lock = self._locks.setdefault((book, key), asyncio.Lock())
        try:
            async with asyncio.timeout(self._longest_wait):
                await lock.acquire()
        except TimeoutError:
            message = f"a document of {book} was held for more than {self._longest_wait:g} s"
            raise StoreUnavailable(message) from None
        try:
            document: Document = json.loads(self._books.get(book, {}).get(key, "{}"))
            yield document
            self._books.setdefault(book, {})[key] = stored_form(document)
        finally:
            lock.release()

    async def read(self, book: str, key: str) -> Document | None:
        """See SandboxBooks."""
        await asyncio.sleep(0)  # as with a server, others may come in between
        document: Document = json.loads(self._books.get(book, {}).get(key, "{}"))
        return document or None

    async def list(self, book: str) -> Entries:
        """See SandboxBooks."""
        await asyncio.sleep(0)
        found = ((key, json.loads(text)) for key, text in self._books.get(book, {}).items())
        return [(key, document) for key, document in found if document]
