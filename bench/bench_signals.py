"""Measure GET /api/v1/signals/ through HTTP, champion by champion, on 100,000 bars.

Run: python -m bench.bench_signals [--bars 100000] [--rounds 200] [--moments 100]

A uvicorn server with the product's settings on a scratch SQLite database; `trainingday.client` asks it over one
connection, as a bot does. Milliseconds of the whole answer, median and 99th percentile: wall time as the client sees
it, and CPU time of the server (Linux), which neighbours on the machine change less. "Again": nothing has changed.
"First": new bars came and the worker that follows the market has been there. "Moment": new bars came, one bar more
each time, and the worker has not been there yet, so that the answer computes the position itself.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

N_MEMBERS = 5
START_SECONDS = 180.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=200, help="answers when nothing has changed")
    parser.add_argument("--moments", type=int, default=100, help="answers of each kind after new bars")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-signals-") as home, serve(home) as (address, pid):
        measure(address, pid, arguments.bars, arguments.rounds, arguments.moments)


@contextmanager
def serve(home: str) -> Iterator[tuple[str, int]]:
    """Migrate a database in a folder and serve it; this process works on the same database."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "trainingday.settings",
        "TRAININGDAY_ENV_FILE": os.devnull,
        "TRAININGDAY_LOCAL": "true",
        "TRAININGDAY_HOME": home,
        "TRAININGDAY_ARTIFACT_KEYS": "bench:" + "ab" * 32,
        "DATABASE_URL": f"sqlite:///{home}/bench.sqlite3",
        "SECRET_KEY": secrets.token_hex(32),
        "LIMIT_READS": "1000000",
    }
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "uvicorn", "trainingday.asgi:application", "--port", str(port), "--log-level", "warning"]
    server = subprocess.Popen([sys.executable, *command])
    try:
        wait_for(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait(20)


def wait_for(address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{address}/healthz", timeout=2).read()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the server did not start")


def measure(address: str, pid: int, n_bars: int, n_rounds: int, n_moments: int) -> None:
    from strategies.exam import crown
    from strategies.forward import follow_market
    from tests.markets import gaussian_bars
    from tests.strategies.helpers import make_user, store
    from trainingday.access import tokens
    from trainingday.client import Client
    from trainingday.markets.services import load_bars
    from trainingday.permissions import VIEWER

    bars = gaussian_bars(n_bars + 2 * (1 + n_moments) * len(KINDS), 1)
    market, _, _ = store("BENCH", bars[:n_bars])
    client = Client(address, tokens.make(make_user(VIEWER)), timeout=START_SECONDS)
    print(f"{n_bars} bars; load {os.getloadavg()[0]:.1f}; ms, p50 / p99 of wall, of CPU")
    for kind, champion in champions(market).items():
        crown(market, champion, reason="bench")
        follow_market(market)
        timed(client, market.slug, pid)
        again = [timed(client, market.slug, pid) for _ in range(n_rounds)]
        first, moment = [], []
        for _ in range(1 + n_moments):
            n_bars += 1
            load_bars(market, bars[:n_bars], "bench")
            moment.append(timed(client, market.slug, pid))
            n_bars += 1
            load_bars(market, bars[:n_bars], "bench")
            follow_market(market)
            first.append(timed(client, market.slug, pid))
        print(f"{kind:15s} again  {figures(again)}")
        print(f"{'':15s} first  {figures(first[1:])}")
        print(f"{'':15s} moment {figures(moment[1:])}; the process's first {figures(moment[:1])}", flush=True)


def figures(times: list[tuple[float, float]]) -> str:
    wall, spent = np.array(times).T
    return ", ".join(f"{np.median(each):5.1f} / {np.percentile(each, 99):5.1f}" for each in (wall, spent))


KINDS = ("rule", "model", "model ensemble", "patterns", "ensemble")


def champions(market: Any) -> dict[str, Any]:
    """Return one strategy of each of `KINDS`; a network has two layers of 64."""
    from patterns.discovery.pattern import Pattern, RegimeCuts
    from patterns.models import PatternScan
    from strategies.positions import ensemble_strategy, get_or_create_strategy, pattern_strategy
    from tests.pages import make_pattern

    cuts = RegimeCuts((0.004, 0.006), (0.9, 1.1))
    scan = PatternScan.objects.create(market=market, dataset=market.datasets.get(), seed=1, state="succeeded")
    for number, word in enumerate(("00122", "22100", "01210", "21012", "02020")):
        pattern = Pattern.from_id(f"w50-{word}-any-any-h{5 + number}-long", cuts)
        make_pattern(market, scan, number, definition=pattern.as_dict())
    rule = get_or_create_strategy(market, "filtered_trend", {})
    model = get_or_create_strategy(market, "ml_model", {}, save_networks(1))
    members = [
        rule,
        get_or_create_strategy(market, "momentum", {}),
        get_or_create_strategy(market, "breakout", {}),
        get_or_create_strategy(market, "macd", {}),
        model,
    ]
    strategies = (
        rule,
        model,
        get_or_create_strategy(market, "ml_model", {}, save_networks(N_MEMBERS)),
        pattern_strategy(market),
        ensemble_strategy(market, members),
    )
    return dict(zip(KINDS, strategies, strict=True))


def save_networks(n: int) -> str:
    """Store a model of n networks of random weights, with the overlays that cost most: both of a session's."""
    from strategies.store import artifact_store
    from strategies.traded_model import save_model
    from trainingday.backtest.overlays import DrawdownStop, VolatilityTarget
    from trainingday.policy.ensemble import PolicyEnsemble

    rng = np.random.default_rng(int(hashlib.sha256(b"bench").hexdigest()[:8], 16))
    policy = PolicyEnsemble(tuple(random_network(rng) for _ in range(n)))
    overlays = (VolatilityTarget(), DrawdownStop())
    return save_model(artifact_store(), policy, overlays, {"train_last_us": 0})


def random_network(rng: np.random.Generator) -> Any:
    from trainingday.policy.network import Activation, PolicyKind, PolicyNetwork
    from trainingday.policy.observation import N_FEATURES

    shapes = [(N_FEATURES + 3, 64), (64, 64), (64, 3)]
    weights = tuple(rng.standard_normal(shape).astype(np.float32) / 8 for shape in shapes)
    biases = tuple(np.zeros(shape[1], dtype=np.float32) for shape in shapes)
    return PolicyNetwork(PolicyKind.POLICY, Activation.TANH, weights, biases)


def timed(client: Any, market: str, pid: int) -> tuple[float, float]:
    """Return the milliseconds that an answer takes, on the clock and of the server's CPU time."""
    spent, started = cpu_seconds(pid), time.perf_counter()
    signal = client.signal(market)
    elapsed = time.perf_counter() - started
    assert signal.position is not None
    return 1000 * elapsed, 1000 * (cpu_seconds(pid) - spent)


def cpu_seconds(pid: int) -> float:
    """Return what all threads of a process have spent, ended ones too (Linux: clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


if __name__ == "__main__":
    main()
