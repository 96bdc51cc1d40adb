"""A line between a ledger and its server that goes dead right after the server has committed an append."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, unquote

# ledger.append alone has a column of this name, and the server is ready again only when the commit is done.
_ANSWERS_AN_APPEND = b"refused\0"
_READY = b"Z\0\0\0\x05I"


@dataclass
class Line:
    """`url` leads through the line; `cuts` counts the answers that it swallowed, each with its connection."""

    url: str
    cuts: int = 0


@asynccontextmanager
async def cut_after_commits(url: str, cut: Callable[[int], bool]) -> AsyncIterator[Line]:
    """A line to the server of this URL; `cut` says whether to lose the next answer, knowing how many were lost."""
    found = re.search(r"host=([^&]+)&port=(\d+)", url)
    assert found, url
    folder_there, socket = Path(unquote(found[1])), f".s.PGSQL.{found[2]}"
    connections: set[asyncio.Task[None]] = set()

    async def connected(from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        connections.add(task)
        from_server, to_server = await asyncio.open_unix_connection(folder_there / socket)
        commands = asyncio.create_task(_forwarded(from_client, to_server))
        try:
            while answer := await from_server.read(65536):
                if _ANSWERS_AN_APPEND in answer and cut(line.cuts):
                    while not answer.endswith(_READY):
                        answer += await from_server.read(65536)
                    line.cuts += 1
                    return
                to_client.write(answer)
                await to_client.drain()
        except ConnectionError:
            pass  # the other end is gone, and so is the line
        finally:
            commands.cancel()
            to_server.close()
            to_client.close()
            connections.discard(task)

    with TemporaryDirectory(prefix="line-") as folder:
        line = Line(url.replace(found[1], quote(folder, safe="")))
        server = await asyncio.start_unix_server(connected, Path(folder) / socket)
        try:
            yield line
        finally:
            server.close()
            for task in list(connections):
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)


async def _forwarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
