from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "trainingday.runs"
    label = "runs"
    verbose_name = "Runs"

    def ready(self) -> None:
        from trainingday.runs import signals  # noqa: F401  (connects the handlers)
