"""The calls of the node, where only WSGI is served."""

from django.urls import include, path

urlpatterns = [path("channelgate/", include("channelgate.urls"))]
