"""An instance of `seatledger dev` that is thrown away."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx2
from rich.console import Console

from adapters.postgres import embedded
from adapters.settings import Settings, SettingsError

_READY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0


@contextmanager
def throw_away_instance(out: Console, kafka: str | None = None) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a fresh `seatledger dev` of its own, and its settings; erased at the end.

    `kafka`: the brokers that its log is on, under a name that is its own.
    """
    folder = Path(tempfile.mkdtemp(prefix="seatledger-demo-"))
    port = _free_port()
    settings = {"DATA_FOLDER": str(folder / "ledger"), "PORT": str(port)}
    if kafka:
        settings |= {"KAFKA_BOOTSTRAP_SERVERS": kafka, "LEDGER": f"demo-{uuid4().hex[:12]}"}
    # Nothing that the caller has set for his own ledger may reach this one.
    inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    with (folder / "terminal.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "adapters.cli.main", "dev"],
            env={**inherited, **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the demo, which then ends it in good order
        )
    try:
        began, base = time.monotonic(), f"http://127.0.0.1:{port}"
        with out.status("Starting a throw-away instance"):
            _wait_until_ready(process, base, folder / "terminal.log")
        out.print(f"A throw-away instance is ready after {time.monotonic() - began:.1f} s.", highlight=False)
        yield base, settings
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        embedded.erase(folder / "ledger")
        shutil.rmtree(folder)


def _wait_until_ready(process: subprocess.Popen[bytes], base: str, log: Path) -> None:
    give_up_at = time.monotonic() + _READY_SECONDS
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            if httpx2.get(f"{base}/readyz").is_success:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    last = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    message = f"the throw-away instance did not start: {last.removeprefix('seatledger: ')}"
    raise SettingsError(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
