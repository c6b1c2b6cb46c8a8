"""A bot in ten lines: it holds what the champion says, and nothing while the signal is stale."""

import logging
import os
import time

from trainingday.client import Client

logging.basicConfig(level=logging.INFO)
client = Client(os.environ["TRAININGDAY_ADDRESS"], os.environ["TRAININGDAY_TOKEN"])
held = None
while True:
    signal = client.signal(os.environ.get("TRAININGDAY_MARKET", "SP500-1d"))
    target = signal.position if signal.is_tradable else 0.0
    if target != held:
        logging.info("%s: hold %+.2f of equity since %s", signal.market, target, signal.since)
        held = target  # place the order here, at the next bar's open
    time.sleep(30)
