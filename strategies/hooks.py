"""What other apps may follow: sent inside the transaction that changes a market's champion."""

from django.dispatch import Signal

# Receives `old` and `new`: Champion or None, the closed and the opened reign.
champion_changed = Signal()
