"""The calls, where a WSGI server has them; under ASGI `bridge()` answers before."""

from django.urls import include, path

urlpatterns = [path("channelgate/", include("channelgate.urls"))]
