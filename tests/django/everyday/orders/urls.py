from django.urls import path

from . import views

urlpatterns = [
    path("orders/", views.page),
    path("api/orders/", views.create),
    path("api/orders/<int:pk>/", views.detail),
    path("orders/logout/", views.leave),
]
