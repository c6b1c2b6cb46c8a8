"""Two hosts share PostgreSQL; one is cut off while it works: the other takes over, and the first cannot write."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from patterns.models import Pattern, PatternScan
from tests.network.lease import SECONDS_OF_LEASE
from trainingday.runs.models import RunEvent

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "td-db"  # network namespaces: one of the database, one for each host
ADDRESSES = {"td-a": ("10.213.1.1", "10.213.1.2"), "td-b": ("10.213.2.1", "10.213.2.2")}
SCANS, PATTERNS, EVENTS = (model._meta.db_table for model in (PatternScan, Pattern, RunEvent))
pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.only_on_sqlite]


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@pytest.fixture
def networks() -> Iterator[None]:
    """Make the namespaces: each host reaches the database and nothing else."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    names = (DATABASE, *ADDRESSES)
    try:
        try:
            for name in names:
                run("ip", "netns", "add", name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces cannot be made here: {error.stderr.decode().strip()}")
        for host, (theirs, own) in ADDRESSES.items():
            run(
                "ip",
                "-n",
                DATABASE,
                "link",
                "add",
                f"to-{host}",
                "type",
                "veth",
                "peer",
                "name",
                "uplink",
                "netns",
                host,
            )
            for name, link, address in ((DATABASE, f"to-{host}", theirs), (host, "uplink", own)):
                run("ip", "-n", name, "address", "add", f"{address}/30", "dev", link)
                run("ip", "-n", name, "link", "set", link, "up")
        yield
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


@pytest.fixture
def server(networks: None) -> Iterator[Path]:
    """Start PostgreSQL in its namespace; return the folder of its socket, which no namespace cuts off."""
    binaries = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if binaries is None or shutil.which("setpriv") is None:
        pytest.skip("no PostgreSQL server binaries in /usr/lib/postgresql")
    folder = Path(tempfile.mkdtemp(prefix="td-postgres-"))
    shutil.chown(folder, "postgres", "postgres")
    as_postgres = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    run(
        *as_postgres,
        f"{binaries}/initdb",
        "-D",
        f"{folder}/data",
        "--auth=trust",
        "--no-sync",
        "-U",
        "postgres",
    )
    with (folder / "data" / "pg_hba.conf").open("a") as rules:
        rules.write("host all postgres 10.213.0.0/16 trust\n")
    addresses = ",".join(theirs for theirs, _ in ADDRESSES.values())
    process = subprocess.Popen(
        ["ip", "netns", "exec", DATABASE, *as_postgres, f"{binaries}/postgres", "-D", f"{folder}/data",
         "-c", f"listen_addresses={addresses}", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(lambda: _answers(folder))
        yield folder
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        shutil.rmtree(folder)


def _answers(folder: Path) -> bool:
    try:
        psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def _wait_for(found: Callable[[], Any], seconds: float = 120.0) -> Any:
    never = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if value := found():
            return value
        never.wait(0.05)
    raise AssertionError(f"not within {seconds} s")


class Hosts:
    """Starts commands on the hosts, and looks into the database past every network."""

    def __init__(self, socket: Path, home: Path) -> None:
        self.socket, self.home = socket, home

    def start(self, host: str, *command: str) -> subprocess.Popen[str]:
        """Start a command in a host's network, under the host's name."""
        url = f"postgres://postgres@{ADDRESSES[host][0]}:5432/postgres"
        environment = os.environ | {"DATABASE_URL": url, "TRAININGDAY_HOME": str(self.home)}
        named = [
            "unshare",
            "--uts",
            "sh",
            "-c",
            f'hostname {host} && exec "$@"',
            "sh",
            sys.executable,
            *command,
        ]
        return subprocess.Popen(
            ["ip", "netns", "exec", host, *named], cwd=ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def call(self, host: str, *command: str) -> str:
        process = self.start(host, *command)
        output, _ = process.communicate(timeout=180)
        assert process.returncode == 0, output
        return output.strip()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(host=str(self.socket), user="postgres", dbname="postgres") as connection:
            return connection.execute(sql).fetchall()


def test_a_host_that_was_cut_off_loses_its_run_and_cannot_write(server: Path, tmp_path: Path) -> None:
    hosts = Hosts(server, tmp_path)
    script = ("-m", "tests.network.host")
    hosts.call("td-a", "manage.py", "migrate", "--verbosity", "0")
    pk = hosts.call("td-a", *script, "ask").splitlines()[-1]
    events = f"SELECT run_pk, seq, kind, payload::text FROM {EVENTS} ORDER BY seq"
    state = f"SELECT state, worker, fence, attempts FROM {SCANS}"

    b = hosts.start("td-b", *script, "work", pk)
    _wait_for(lambda: any(kind == "attempt" for _, _, kind, _ in hosts.query(events)))
    run("ip", "-n", DATABASE, "link", "set", "to-td-b", "down")
    ((running, worker, fence, _),) = hosts.query(state)
    assert (running, worker.partition(":")[0], fence) == ("running", "td-b", 1)

    a = hosts.start("td-a", *script, "work", pk)
    output, _ = a.communicate(timeout=180)
    assert a.returncode == 0, output
    ((ended, worker, fence, attempts),) = hosts.query(state)
    assert (ended, worker.partition(":")[0], fence, attempts) == ("succeeded", "td-a", 2, 2)
    everything = hosts.query(events), hosts.query(f"SELECT * FROM {SCANS}"), _patterns(hosts)
    assert [kind for _, _, kind, _ in everything[0]].count("attempt") == 2
    assert b.poll() is None  # it still waits for the database

    run("ip", "-n", DATABASE, "link", "set", "to-td-b", "up")
    assert f"FenceLost: scan-{pk}: fence 1 was overtaken" in hosts.call("td-b", *script, "write", pk, "1")
    output, _ = b.communicate(timeout=180)
    assert everything == (
        hosts.query(events),
        hosts.query(f"SELECT * FROM {SCANS}"),
        _patterns(hosts),
    )
    assert _seconds_between_attempts(hosts) > SECONDS_OF_LEASE, output


def _patterns(hosts: Hosts) -> list[tuple[Any, ...]]:
    return hosts.query(f"SELECT * FROM {PATTERNS} ORDER BY id")


def _seconds_between_attempts(hosts: Hosts) -> float:
    times = hosts.query(f"SELECT created_at FROM {EVENTS} WHERE kind = 'attempt' ORDER BY seq")
    return (times[1][0] - times[0][0]).total_seconds()
