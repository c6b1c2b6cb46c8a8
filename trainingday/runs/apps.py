from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "trainingday.runs"
    label = "runs"
    verbose_name = "Runs"

    def ready(self) -> None:
        from trainingday import checks  # noqa: F401  (registers the deployment checks)
        from trainingday.runs import registration, signals  # noqa: F401  (folders to sweep; handlers)
