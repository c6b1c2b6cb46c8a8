from django.apps import AppConfig


class PatternsConfig(AppConfig):
    name = "patterns"

    def ready(self) -> None:
        from patterns import registration  # noqa: F401  (registers the run kind, the job and the audit)
