from django.urls import path

from . import views

urlpatterns = [
    path("notifications/", views.Page.as_view()),
    path("notifications/logout/", views.Logout.as_view()),
    path("api/notifications/", views.Notifications.as_view()),
    path("api/notifications/<int:pk>/", views.Detail.as_view()),
]
