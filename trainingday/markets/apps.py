from django.apps import AppConfig


class MarketsConfig(AppConfig):
    name = "trainingday.markets"
    label = "markets"
    verbose_name = "Markets and data"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from trainingday.markets import registration  # noqa: F401
