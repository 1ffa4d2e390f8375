"""`path("channelgate/", include("channelgate.urls"))`: calls and actions where only Django's own handler is served."""

from django.urls import path

from channelgate.views import answer

urlpatterns = [path("<str:name>", answer)]
