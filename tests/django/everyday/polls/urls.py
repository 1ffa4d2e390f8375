from django.urls import path

from . import views

urlpatterns = [
    path("polls/logout/", views.leave),
    path("polls/<slug:slug>/", views.page),
    path("api/polls/<slug:slug>/choices/", views.choices),
    path("api/polls/choices/<int:pk>/", views.choice),
    path("api/polls/<slug:slug>/end/", views.end),
]
