from rest_framework.routers import SimpleRouter

from trainingday.markets import api

router = SimpleRouter()
router.register("markets", api.MarketViewSet, basename="api-market")
router.register("datasets", api.DatasetViewSet, basename="api-dataset")
router.register("import-profiles", api.ImportProfileViewSet, basename="api-import-profile")
urlpatterns = router.urls
