from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "trainingday.access"
    label = "access"
    verbose_name = "Access"

    def ready(self) -> None:
        from trainingday.access import registration, schema  # noqa: F401  (connect themselves)
