"""How long a host of the test keeps a run without renewing it."""

SECONDS_OF_LEASE = 4
