"""The product's child, `python -m tests.crashes.sb3_child KIND PK FENCE`, on the small preset of SB3 sessions."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str]) -> int:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from tests.crashes.sb3 import only_sb3, small_sb3_sessions
    from trainingday.runs.child import main as product

    with small_sb3_sessions(), only_sb3():
        return product(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
