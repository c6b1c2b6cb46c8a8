from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "sessions"
    # Django's own session app owns the label "sessions".
    label = "training_sessions"
    verbose_name = "Training sessions"

    def ready(self) -> None:
        from sessions import registration  # noqa: F401  (registers the run kind, the job and the audit)
