from django.urls import path

from . import views

urlpatterns = [
    path("chat/logout/", views.log_out),
    path("chat/<slug:room_name>/", views.page),
    path("api/chat/<slug:room_name>/messages/", views.messages),
    path("api/chat/messages/<int:pk>/", views.message),
]
