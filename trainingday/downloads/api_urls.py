from rest_framework.routers import SimpleRouter

from trainingday.downloads import api

router = SimpleRouter()
router.register("downloads", api.DownloadViewSet, basename="api-download")
urlpatterns = router.urls
