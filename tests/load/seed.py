"""`python -m tests.load.seed`: fills the installation's database with two years and prints how to get in, as JSON.

Printed: the name of the session cookie and one for each of `N_VIEWERS` readers, an operator's API token, the market to
train on, and the run that sockets watch.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta

N_VIEWERS = 20
N_BARS = 8000


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trainingday.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.utils import timezone

    from patterns.models import PatternScan
    from tests import pages
    from tests.history import make_history
    from tests.markets import autoregressive_bars
    from tests.trainingday.runs.test_consumers import signed_in_cookie
    from trainingday.access import tokens
    from trainingday.markets.models import Market
    from trainingday.markets.services import load_bars
    from trainingday.runs.models import RunState, TrainingSchedule

    markets = make_history()
    TrainingSchedule.objects.update(is_enabled=False)  # nothing but the measured session trains
    market = Market.objects.create(symbol="LOAD/USD", venue="seeded", interval=3600)
    load_bars(market, autoregressive_bars(N_BARS, 1, phi=0.1), "seeded")
    watched = PatternScan.objects.create(
        market=markets[0], dataset=markets[0].datasets.get(), seed=1, state=RunState.RUNNING, fence=1, attempts=1,
        worker="tests.load.writer", started_at=timezone.now(), lease_until=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    viewers = [User.objects.create_user(f"viewer-{number}") for number in range(N_VIEWERS)]
    for viewer in viewers:
        viewer.groups.add(pages.make_user("viewer").groups.get())
    printed = {
        "cookie_name": settings.SESSION_COOKIE_NAME,
        "cookies": [signed_in_cookie(viewer) for viewer in viewers],
        "token": tokens.make(pages.make_user("operator"), scope="operate"),
        "market": market.slug,
        "watched": watched.pk,
    }
    sys.stdout.write(json.dumps(printed))


if __name__ == "__main__":
    main()
