"""The web's load figures on a real installation: `manage.py up`, two years of data, a real session training in its child.

    python -m bench.bench_load
    python -m bench.bench_load --trials 12 --rounds 3 --rate 20 --sockets 200 --events 5

First the throughput with no training. Then, in each round, the same session twice, from the same seed: alone, and
under requests at a fixed rate and sockets that each break off once and come back. A session is watched over its search;
how much the load slows it is the ratio of what the same trials took. The clients run on this machine as well, and
take their part of it; so does whatever else runs here: the load average is printed beside every figure.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
from pathlib import Path

from tests.load.installation import Installation, installed
from tests.load.measure import Loaded, Trained, throughput, train, under_load
from tests.load.requests import hits, percentile

SEED = 7


def busy() -> str:
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def print_throughput(installation: Installation, seconds: float) -> None:
    answers, cpu_seconds = throughput(installation, seconds)
    print(
        f"no training: {answers.per_second:.0f} requests/s over {answers.took:.0f} s, {len(answers.errors)} errors, "
        f"median {1000 * percentile(answers.seconds, 0.5):.0f} ms, of which the web's CPU "
        f"{1000 * cpu_seconds / len(answers.seconds):.1f} ms on average; {busy()}",
        flush=True,
    )
    for line in hits(answers):
        print("   ", line)


def print_round(number: int, alone: Trained, loaded: Loaded) -> float:
    ratio = alone.steps_per_second / loaded.trained.steps_per_second
    print(
        f"round {number}: {alone.n_trials} trials alone {alone.steps_per_second:,.0f} steps/s in each process, under load "
        f"{loaded.trained.steps_per_second:,.0f}: slowed by {100 * (1 - 1 / ratio):.0f} %; {busy()}"
    )
    requests, sockets = loaded.requests, loaded.sockets
    print(
        f"  {len(requests.seconds)} requests at {requests.per_second:.1f}/s, {len(requests.errors)} errors: "
        + shares(requests.seconds)
    )
    for line in hits(requests):
        print("   ", line)
    print(
        f"  sockets: {sockets['n_events']} events, {sockets['n_received']} received, {sockets['n_reconnected']} reconnected, "
        f"{sockets['n_lost']} lost, {sockets['n_duplicated']} duplicated: " + shares(sockets["latencies"])
    )
    print(f"  of one core: web {loaded.web_share:.0%}, clients {loaded.client_share:.0%}", flush=True)
    return ratio


def shares(seconds: list[float]) -> str:
    return ", ".join(
        f"p{100 * share:g} {1000 * percentile(seconds, share):.0f} ms" for share in (0.5, 0.95, 0.99, 1)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of the throughput measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--rate", type=float, default=20.0, help="requests per second")
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--events", type=float, default=5.0, help="per second and socket")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is then stopped
    with tempfile.TemporaryDirectory(prefix="load-") as folder, installed(Path(folder)) as installation:
        print_throughput(installation, options.seconds)
        ratios = []
        for number in range(1, options.rounds + 1):
            alone = train(installation, SEED, options.trials)
            loaded = under_load(
                installation, SEED, options.trials, options.rate, options.sockets, options.events
            )
            if alone.hashes != loaded.trained.hashes:
                raise RuntimeError("the two sessions did not train the same trials")
            ratios.append(print_round(number, alone, loaded))
        slowed = 100 * (1 - 1 / statistics.median(ratios))
        print(f"training slowed by {slowed:.0f} %, the median of {len(ratios)} rounds")


if __name__ == "__main__":
    main()
