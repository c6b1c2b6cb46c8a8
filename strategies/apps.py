from django.apps import AppConfig


class StrategiesConfig(AppConfig):
    name = "strategies"

    def ready(self) -> None:
        from strategies import registration  # noqa: F401  (registers the run kind, the job and the audit)
