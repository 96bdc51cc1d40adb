"""`seatledger serve` and `seatledger work` as processes that a test may kill."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with these settings and no database of its own."""
    ours = {"PORT": str(free_port()), "COLUMNS": "200", **settings}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "PG"))}
    return {**inherited, **ours}


def scraped(service: "Running", token: str) -> dict[str, float]:
    """The service's figures: each sample by its name and labels, as Prometheus would read them."""
    answer = httpx2.get(f"{service.base}/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return figures_in(answer.text)


def figures_in(text: str) -> dict[str, float]:
    """The samples of a text in Prometheus' format; raises ValueError if it is none."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


class Running:
    """A command of the product, from its start to its end."""

    def __init__(self, *arguments: str, **settings: str) -> None:
        env = environment(**settings)
        self.base = f"http://127.0.0.1:{env['PORT']}"
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "adapters.cli.main", *arguments],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ready(self) -> float:
        """Seconds until /readyz said so."""
        while time.monotonic() < self.began + 60:
            if self.process.poll() is not None:
                pytest.fail(self.process.communicate()[0])
            try:
                if httpx2.get(f"{self.base}/readyz").status_code == 200:
                    return time.monotonic() - self.began
            except httpx2.TransportError:
                time.sleep(0.02)
        pytest.fail("not ready within 60 s")

    @property
    def processor_seconds(self) -> float:
        """What it has used of processors so far: the same on a machine that is busy with other things."""
        used = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")

    def killed(self) -> None:
        """Kill -9, as a power cut does."""
        self.process.kill()
        self.process.communicate(timeout=30)

    def ended_by(self, number: int = signal.SIGINT) -> str:
        """What it printed until this signal ended it in good order."""
        self.process.send_signal(number)
        output = self.process.communicate(timeout=30)[0]
        assert self.process.returncode == 0, output
        return str(output)
