from django.urls import include, path
from rest_framework.routers import SimpleRouter

from . import views

router = SimpleRouter()
router.register("spaces", views.SpaceViewSet)
urlpatterns = [path("api/", include(router.urls)), path("presence/<slug:slug>/", views.page)]
