"""Pages, lists and sockets of a real installation while a session trains: no error, nothing lost, nobody waits long.

The figures themselves are for `python -m bench.bench_load` on a quiet machine. Here each has room for a busy one: ten
to fifteen times the wait; two and a half times the CPU time that 60 requests/s leave to one, however long they waited
for it; and half as much again as web and clients may take of a core, so that training on two loses 30 %.
"""

from __future__ import annotations

import threading

import pytest

from tests.crashes.test_sweep import tell
from tests.load.installation import Installation
from tests.load.measure import Load, throughput
from tests.load.requests import percentile
from tests.trainingday.runs.test_supervisor import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.load, pytest.mark.only_on_sqlite]
MAX_CPU_SECONDS = 2.5 / 60.0
MAX_SHARE = 1.5 * 0.6
MAX_WAIT, MAX_EVENT_WAIT = 3.0, 5.0
SECONDS = 8.0
SECONDS_TO_START = 300.0
N_SOCKETS = 50


def test_the_web_answers_while_a_session_trains(installation: Installation) -> None:
    alone, cpu_seconds = throughput(installation, 4.0)
    assert alone.errors == []
    assert cpu_seconds / len(alone.seconds) <= MAX_CPU_SECONDS

    wanted = {"market": installation.market, "preset": "standard", "seed": 1}
    run = installation.api("POST", "training-sessions/", json=wanted)["run"]
    wait_for(lambda: installation.api("GET", f"runs/{run}/")["stage"] != "", SECONDS_TO_START)
    before = installation.cpu_seconds("training")
    with Load(installation, 20.0, N_SOCKETS, 5.0, break_within=SECONDS / 2) as load:
        load.start_requests()
        threading.Event().wait(SECONDS)
        trained = installation.cpu_seconds("training") - before
        load.stop()
    assert installation.api("GET", f"runs/{run}/")["state"] == "running"
    installation.api("POST", f"runs/{run}/cancel/")
    wait_for(lambda: installation.api("GET", f"runs/{run}/")["state"] == "cancelled")

    answers, sockets = load.requests.result(), load.told
    tell(
        f"load: {alone.per_second:.0f} requests/s alone; p99 {1000 * percentile(answers.seconds, 0.99):.0f} ms of "
        f"{len(answers.seconds)} requests, {1000 * percentile(sockets['latencies'], 0.99):.0f} ms of "
        f"{sockets['n_received']} events; of a core: web {load.web_share:.0%}, clients {load.client_share:.0%}; "
        f"trained for {trained:.1f} CPU s"
    )
    assert trained > 0.0
    assert load.web_share + load.client_share <= MAX_SHARE
    assert answers.errors == []
    assert len(answers.seconds) >= 0.5 * 20.0 * SECONDS
    assert percentile(answers.seconds, 0.99) <= MAX_WAIT
    assert (sockets["n_lost"], sockets["n_duplicated"]) == (0, 0)
    assert sockets["n_reconnected"] == N_SOCKETS
    assert sockets["n_received"] == N_SOCKETS * sockets["n_events"]
    assert percentile(sockets["latencies"], 0.99) <= MAX_EVENT_WAIT


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.99, 4), (1.0, 4), (0.25, 1), (0.26, 2)])
def test_a_percentile_is_a_value_that_came(share: float, value: int) -> None:
    assert percentile([4, 1, 3, 2], share) == value
