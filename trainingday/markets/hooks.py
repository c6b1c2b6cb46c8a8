"""What other apps may follow: sent inside the transaction that stores a dataset."""

from django.dispatch import Signal

# Receives `dataset`: Dataset, a new version of a market's bars.
dataset_stored = Signal()
