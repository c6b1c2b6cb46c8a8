from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "sessions"
    # Django's own session app owns the label "sessions".
    label = "training_sessions"
    verbose_name = "Training sessions"

    def ready(self) -> None:
        from sessions import registration, stages  # noqa: F401  (run kind, job, audit; models follow the title)
