"""Runs the web server and both worker clusters, and keeps them running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Any, NoReturn

from django.core.management.base import BaseCommand
from django.db import close_old_connections

from trainingday.runs import services
from trainingday.runs.queries import worker_health

SECONDS_BETWEEN_REAPS = 15
START_GRACE_SECONDS = 180
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass
class Service:
    """One child process that `up` keeps alive."""

    name: str
    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, env=os.environ | self.environment, start_new_session=True
        )
        self.started = time.monotonic()

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _leave(*_: object) -> NoReturn:
    """Exit; a second signal, such as another Ctrl-C, must not leave children behind that nobody stops."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


class Command(BaseCommand):
    help = "Serve the pages and run the workers, on this machine."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--no-web", action="store_true", help="workers only, for further machines")

    def handle(self, *args: Any, **options: Any) -> None:
        services_ = [
            Service("workers", [sys.executable, "manage.py", "qcluster"], {}),
            Service("long workers", [sys.executable, "manage.py", "qcluster"], {"Q_CLUSTER_NAME": "long"}),
        ]
        if not options["no_web"]:
            services_.append(self._web(options["host"], options["port"]))
        for number in STOP_SIGNALS:
            signal.signal(number, _leave)
        for service in services_:
            service.start()
        if not options["no_web"]:
            self.stdout.write(
                f"Training Day is at http://{options['host']}:{options['port']}/  (stop with Ctrl-C)"
            )
        try:
            self._keep_alive(services_)
        finally:
            for service in services_:
                service.stop()

    @staticmethod
    def _web(host: str, port: int) -> Service:
        command = [
            sys.executable, "-m", "uvicorn", "trainingday.asgi:application", "--host", host, "--port", str(port),
            "--ws", "trainingday.runs.bounded_socket:BoundedWebSocket", "--ws-max-size", "65536", "--lifespan", "off", "--no-server-header", "--log-level", "warning",
        ]  # fmt: skip
        return Service("web", command, {"DATABASE_CONNECTION_SECONDS": "60"})

    def _keep_alive(self, services_: list[Service]) -> None:
        while True:
            time.sleep(SECONDS_BETWEEN_REAPS)
            close_old_connections()
            services.reap()
            self._restart_ill(services_)

    def _restart_ill(self, services_: list[Service]) -> None:
        """Restart what died, and the cluster that has been silent for three minutes."""
        silent = self._silent_clusters()
        for service in services_:
            died = service.process is not None and service.process.poll() is not None
            if died or (service.name in silent and time.monotonic() - service.started > START_GRACE_SECONDS):
                self.stderr.write(f"{service.name}: {'died' if died else 'silent for 3 minutes'}, restarting")
                service.stop()
                service.start()

    @staticmethod
    def _silent_clusters() -> set[str]:
        """Return the services of this host whose heartbeat is too old.

        The long cluster's workers are held by supervisors while runs train, so only the process counts there.
        """
        import socket

        here = [beat for beat in worker_health() if beat["host"] == socket.gethostname()]
        return {"workers" for beat in here if beat["cluster"] == "trainingday" and beat["is_silent"]}
