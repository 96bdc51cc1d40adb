"""A PostgreSQL server of the run's own, as the product embeds it, with an empty ledger; gone at the end."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.postgres import embedded, schema
from adapters.postgres.embedded import EmbeddedServer

OWNER: Final = embedded.SUPERUSER
APPLICATION: Final = "seatledger_app"


@dataclass(frozen=True, slots=True)
class BenchServer:
    """The server and where its programs are."""

    server: EmbeddedServer
    folder: Path

    def owner_url(self, database: str = "seatledger") -> str:
        """As the role that owns everything."""
        return self.server.url(OWNER, database)

    def application_url(self, database: str = "seatledger") -> str:
        """As the role that the product connects as."""
        return self.server.url(APPLICATION, database)

    def restart(self) -> None:
        """Stop and start it again, on the same data."""
        self.server.stop()
        embedded.start(self.folder)

    def program(self, name: str, *arguments: str) -> str:
        """What a program of PostgreSQL prints; raises CalledProcessError if it fails."""
        path = embedded.find_binaries() / name
        return subprocess.run([path, *arguments], check=True, capture_output=True, text=True, timeout=600).stdout


@contextmanager
def bench_server(partitions: int = 12, within: Path | None = None) -> Iterator[BenchServer]:
    """Start one with a migrated, empty ledger, fully durable as always; its data in a folder `within`, if given."""
    folder = Path(tempfile.mkdtemp(prefix="seatledger-bench-", dir=within))
    if within:
        folder.chmod(0o711)  # or the account of the server would have its data elsewhere
    server = embedded.start(folder)
    try:
        schema.migrate(server.url(OWNER, "seatledger"), partitions)
        yield BenchServer(server, folder)
    finally:
        embedded.erase(folder)
        shutil.rmtree(folder, ignore_errors=True)
