#!/usr/bin/env python3
"""Apache Kafka on loopback, without Docker: one broker or a cluster of three, on free ports that stay.

`python ops/kafka/brokers.py start|stop|status`. Wants a JDK 17 or newer and Maven, and the standard library only.
There must never be an `__init__.py` beside this file: it would shadow the client library, which is called kafka, too.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

POM: Final = Path(__file__).with_name("pom.xml")
OLDEST_JDK: Final = 17
USER, PASSWORD = "seatledger", "only-for-tests"
"""The one login of a secure cluster."""

_READY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_LEAN: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dorg.apache.logging.log4j.level=WARN")

_SETTINGS: Final = """
node.id={node}
process.roles=broker,controller
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
inter.broker.listener.name=INTERNAL
listeners={protocol}://127.0.0.1:{port},INTERNAL://127.0.0.1:{internal},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={protocol}://127.0.0.1:{port},INTERNAL://127.0.0.1:{internal}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.num.partitions=1
offsets.topic.replication.factor={replication}
transaction.state.log.replication.factor={replication}
share.coordinator.state.topic.replication.factor={replication}
transaction.state.log.min.isr=1
share.coordinator.state.topic.min.isr=1
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=2097152
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms={session}
broker.heartbeat.interval.ms=200
controlled.shutdown.enable={several}
"""

_SECURE: Final = """
ssl.keystore.type=PEM
ssl.keystore.location={certificates}/broker.pem
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


class BrokerError(Exception):
    """Something is missing, or a broker did not start; the message is one plain line."""


def missing() -> str | None:
    """What the brokers need and this machine has not, in plain words; None if all is there."""
    java, maven = shutil.which("java"), shutil.which("mvn")
    if java is None:
        return f"no Java (a JDK {OLDEST_JDK} or newer)"
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < OLDEST_JDK:
        return f"Java is older than {OLDEST_JDK}"
    if maven is None and not (_libraries() / ".complete").exists():
        return "no Maven (mvn)"
    return None


def _libraries() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "seatledger" / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"


def _installed() -> Path:
    """The folder with all jars, fetched by Maven if they are not there yet."""
    if lacking := missing():
        message = f"Kafka can't be started here: {lacking}. On Debian: apt-get install default-jdk-headless maven"
        raise BrokerError(message)
    folder = _libraries()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line] or ["no reason"]
                message = f"Maven could not fetch the broker: {lines[0]}"
                raise BrokerError(message)
            (folder / ".complete").touch()
    return folder


def _classpath(folder: Path) -> str:
    """In a fixed order, which the archive of loaded classes depends on."""
    return os.pathsep.join(sorted(str(jar) for jar in folder.glob("*.jar")))


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@dataclass
class Broker:
    """One process of the cluster, broker and controller in one."""

    folder: Path
    port: int
    heap_megabytes: int

    @property
    def pid(self) -> int | None:
        """The process if it lives: a number in the file may be another's by now."""
        try:
            pid = int((self.folder / "pid").read_text("utf-8"))
            if (ours := _processes.get(pid)) is not None:  # which has no command line yet while it begins
                return pid if ours.poll() is None else None
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
        except (OSError, ValueError, IndexError):
            return None
        return pid if str(self.folder).encode() in command and state != "Z" else None

    def start(self, *, dies_with_us: bool = False) -> None:
        """Start the process, and don't wait for it."""
        if self.pid is not None:
            return
        libraries = _installed()
        archive = _archive(libraries)
        command = [
            *(("setpriv", "--pdeathsig", "KILL") if dies_with_us and shutil.which("setpriv") else ()),
            *("java", f"-Xmx{self.heap_megabytes}m", *_LEAN, f"-XX:SharedArchiveFile={archive}", "-Xlog:disable"),
            *("-cp", _classpath(libraries), "kafka.Kafka", str(self.folder / "server.properties")),
        ]
        with (self.folder / "broker.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )
        (self.folder / "pid").write_text(str(process.pid), "utf-8")
        _processes[process.pid] = process

    def wait_until_ready(self) -> None:
        """Return once it listens."""
        _listening(self.port, lambda: self.pid is not None, self.folder / "broker.log")

    def signalled(self, number: int) -> None:
        """Send the signal, if it lives."""
        if (pid := self.pid) is not None:
            os.kill(pid, number)

    def kill(self) -> None:
        """Kill -9, and return once it is gone."""
        self._ended(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order."""
        self.signalled(signal.SIGCONT)
        self._ended(signal.SIGTERM)

    def _ended(self, number: int) -> None:
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, number)
        give_up_at = time.monotonic() + _STOP_SECONDS
        while self.pid is not None:
            if time.monotonic() > give_up_at:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        if pid in _processes:
            _processes.pop(pid).wait()


def _listening(port: int, alive: Callable[[], bool], log: Path) -> None:
    give_up_at = time.monotonic() + _READY_SECONDS
    while alive() and time.monotonic() < give_up_at:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    said = log.read_text("utf-8", "replace").strip().splitlines() or ["it said nothing"]
    message = f"the broker did not start: {said[-1]} (see {log})"
    raise BrokerError(message)


_processes: dict[int, "subprocess.Popen[bytes]"] = {}
"""Our own children, which must be waited for once they ended."""


def _archive(libraries: Path) -> Path:
    """The classes that a broker loads, ready to be mapped: 1.0 s to the first record instead of 2.4.

    Made once for each Java, from a broker that is started for nothing else. Without it, it only takes longer.
    """
    java = Path(shutil.which("java") or "java").resolve()
    archive = libraries / f"classes-{hashlib.sha256(f'{java}{java.stat().st_mtime}'.encode()).hexdigest()[:8]}.jsa"
    with (libraries / ".archive.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            with tempfile.TemporaryDirectory(prefix="seatledger-kafka-") as folder:
                _make(Path(folder), 1, secure=False)
                (port,) = json.loads((Path(folder) / "cluster.json").read_text("utf-8"))["ports"]
                node = Path(folder) / "node-1"
                command = ["java", *_LEAN, f"-XX:ArchiveClassesAtExit={archive}", "-cp", _classpath(libraries)]
                with (
                    (node / "broker.log").open("wb") as log,
                    subprocess.Popen(
                        [*command, "kafka.Kafka", str(node / "server.properties")], stdout=log, stderr=log
                    ) as process,
                ):
                    _listening(port, lambda: process.poll() is None, node / "broker.log")
                    process.terminate()
            archive.touch()
    return archive


@dataclass
class Cluster:
    """Brokers whose settings, ports and data are in one folder."""

    folder: Path
    brokers: list[Broker]
    secure: bool

    @property
    def bootstrap_servers(self) -> str:
        """As clients name it."""
        return ",".join(f"127.0.0.1:{broker.port}" for broker in self.brokers)

    @property
    def certificate(self) -> Path:
        """What clients of a secure cluster trust."""
        return self.folder / "certificate.pem"

    def start(self, *, dies_with_us: bool = False) -> None:
        """Start all, and return once all listen."""
        for broker in self.brokers:
            broker.start(dies_with_us=dies_with_us)
        for broker in self.brokers:
            broker.wait_until_ready()

    def stop(self) -> None:
        """Stop all; one after the other may want the others, so all are told first."""
        for broker in self.brokers:
            broker.signalled(signal.SIGCONT)
            broker.signalled(signal.SIGTERM)
        for broker in self.brokers:
            broker.stop()

    def erase(self) -> None:
        """Stop at once and delete the data."""
        for broker in self.brokers:
            broker.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def cluster(folder: Path, count: int = 1, *, secure: bool = False) -> Cluster:
    """The cluster in this folder, made and formatted if it is not there yet; not started."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        plan_file = folder / "cluster.json"
        if not plan_file.exists():
            _make(folder, count, secure=secure)
        plan = json.loads(plan_file.read_text("utf-8"))
    heap = 512 if len(plan["ports"]) == 1 else 256
    brokers = [Broker(folder / f"node-{number}", port, heap) for number, port in enumerate(plan["ports"], 1)]
    return Cluster(folder, brokers, plan["secure"])


def _make(folder: Path, count: int, *, secure: bool) -> None:
    libraries, numbers, ports = _installed(), range(1, count + 1), _free_ports(3 * count)
    if secure:
        _make_certificates(folder)
    for number in numbers:
        port, internal, controller = ports[3 * number - 3 : 3 * number]
        node = folder / f"node-{number}"
        node.mkdir(exist_ok=True)
        settings = _SETTINGS.format(
            node=number,
            voters=",".join(f"{each}@127.0.0.1:{ports[3 * each - 1]}" for each in numbers),
            protocol="SASL_SSL" if secure else "PLAINTEXT",
            port=port,
            internal=internal,
            controller=controller,
            data=node / "data",
            replication=min(3, count),
            session=1000 if count == 1 else 3000,
            several="true" if count > 1 else "false",
        )
        settings += _SECURE.format(certificates=folder) if secure else ""
        (node / "server.properties").write_text(settings, "utf-8")
    id = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
    for number in numbers:
        scram = (f"--add-scram=SCRAM-SHA-512=[name={USER},password={PASSWORD}]",) if secure else ()
        properties = str(folder / f"node-{number}" / "server.properties")
        # With `=`: an id may begin with a dash.
        _java(libraries, "kafka.tools.StorageTool", "format", f"--cluster-id={id}", f"--config={properties}", *scram)
    plan = {"ports": [ports[3 * number - 3] for number in numbers], "secure": secure}
    (folder / "cluster.json").write_text(json.dumps(plan), "utf-8")


def _java(libraries: Path, *arguments: str) -> None:
    command = ["java", *_LEAN, "-cp", _classpath(libraries), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{arguments[0]}: {((done.stderr or done.stdout).strip().splitlines() or ['no reason'])[-1]}"
        raise BrokerError(message)


def _make_certificates(folder: Path) -> None:
    """One for the broker, which clients trust as it is; key and certificate in one PEM file, as Kafka wants it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"openssl could not make a certificate: {done.stderr.strip()}"
        raise BrokerError(message)
    (folder / "broker.pem").write_text(key.read_text("utf-8") + certificate.read_text("utf-8"), "utf-8")


def main() -> int:
    """The command line; 0 done (or running), 1 not running, 2 can't be started here."""
    parser = argparse.ArgumentParser(description="Apache Kafka on loopback")
    parser.add_argument("command", choices=("start", "stop", "status"))
    parser.add_argument("--folder", type=Path, default=Path(".seatledger/kafka"), help="settings and data")
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1, help="at the first start")
    parser.add_argument("--secure", action="store_true", help="SASL_SSL with SCRAM-SHA-512, at the first start")
    parser.add_argument("--erase", action="store_true", help="with stop: throw the data away")
    asked = parser.parse_args()
    if asked.command != "start" and not (asked.folder / "cluster.json").exists():
        print("Kafka was never started here.")
        return 0 if asked.command == "stop" else 1
    try:
        found = cluster(asked.folder, asked.brokers, secure=asked.secure)
        if asked.command == "start":
            found.start()
    except BrokerError as error:
        print(f"ops/kafka: {error}", file=sys.stderr)
        return 2
    if asked.command == "stop":
        found.erase() if asked.erase else found.stop()
        return 0
    running = sum(broker.pid is not None for broker in found.brokers)
    print(f"KAFKA_BOOTSTRAP_SERVERS={found.bootstrap_servers}")
    print(f"{running} of {len(found.brokers)} brokers running, data in {asked.folder}", file=sys.stderr)
    return 0 if running == len(found.brokers) else 1


if __name__ == "__main__":
    sys.exit(main())
