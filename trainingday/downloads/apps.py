from django.apps import AppConfig


class DownloadsConfig(AppConfig):
    name = "trainingday.downloads"
    label = "downloads"
    verbose_name = "Downloads"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from trainingday.downloads import registration  # noqa: F401
