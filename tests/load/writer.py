"""`python -m tests.load.writer PK RATE`: writes events of a scan as its child would, until its stdin closes.

Each event holds when it was written. Prints the number of the last one.
"""

from __future__ import annotations

import os
import sys
import threading
import time


def main(pk: int, rate: float) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trainingday.settings")
    import django

    django.setup()
    from trainingday.runs.context import RunContext

    context = RunContext("scan", pk, 1)
    is_over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), is_over.set()), daemon=True).start()
    due = time.monotonic()
    while not is_over.wait(max(0.0, due - time.monotonic())):
        context.emit("note", {"sent": time.time(), "text": "as long as a usual note of a run is, or so"})
        due += 1.0 / rate
    sys.stdout.write(f"{context._seq}")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
