"""HTTP/1.1 with as little as a load needs: kept connections, and one request after the other on each."""

import asyncio
from types import TracebackType
from typing import NamedTuple, Self


class Answer(NamedTuple):
    """Status, headers in lower case, body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One kept connection to 127.0.0.1."""

    def __init__(self, port: int, token: str = "") -> None:
        """`token` is sent as bearer with each request."""
        self._port = port
        self._fixed = f"Host: 127.0.0.1:{port}\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "")

    async def __aenter__(self) -> Self:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._writer.close()

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """The answer; header names take `_` for `-`. Raises IncompleteReadError if the server hangs up."""
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"{method} {path} HTTP/1.1\r\n{self._fixed}{more}"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._writer.write(f"{head}\r\n".encode() + body)
        said = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        found = dict(line.lower().split(": ", 1) for line in said[1:] if line)
        return Answer(int(said[0].split(" ")[1]), found, await self._reader.readexactly(int(found["content-length"])))
