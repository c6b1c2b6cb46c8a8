from rest_framework.routers import SimpleRouter

from sessions import api, honesty_api, models_api, report_views

router = SimpleRouter()
router.register("training-sessions", api.TrainingSessionViewSet, basename="api-session")
router.register("replays", api.SessionReplayViewSet, basename="api-replay")
router.register("trials", api.TrialViewSet, basename="api-trial")
router.register("models", models_api.ModelVersionViewSet, basename="api-model")
router.register("honesty", honesty_api.HonestyRunViewSet, basename="api-honesty")
router.register("written-reports", report_views.WrittenReportViewSet, basename="api-written-report")
urlpatterns = router.urls
