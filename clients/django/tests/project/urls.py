from django.urls import include, path

urlpatterns = [path("gate/", include("channelgate.urls"))]
