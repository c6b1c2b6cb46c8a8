from rest_framework.routers import SimpleRouter

from sessions import api

router = SimpleRouter()
router.register("training-sessions", api.TrainingSessionViewSet, basename="api-session")
router.register("trials", api.TrialViewSet, basename="api-trial")
router.register("models", api.ModelVersionViewSet, basename="api-model")
urlpatterns = router.urls
