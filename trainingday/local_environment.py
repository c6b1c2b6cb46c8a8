"""`python -m trainingday.local_environment`: prints the environment file of a local quick start."""

import secrets
import sys


def local_environment() -> str:
    """Return settings for loopback use over plain http, with fresh random keys."""
    return "\n".join(
        [
            "# Made by `make run` for this machine alone: plain http on loopback. Not for production.",
            "TRAININGDAY_LOCAL=true",
            f"SECRET_KEY={secrets.token_urlsafe(50)}",
            f"TRAININGDAY_ARTIFACT_KEYS=local:{secrets.token_hex(32)}",
            "",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(local_environment())
