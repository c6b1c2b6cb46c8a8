from rest_framework.routers import SimpleRouter

from patterns import api

router = SimpleRouter()
router.register("pattern-scans", api.PatternScanViewSet, basename="api-pattern-scan")
router.register("patterns", api.PatternViewSet, basename="api-pattern")
router.register("sightings", api.PatternSightingViewSet, basename="api-sighting")
urlpatterns = router.urls
