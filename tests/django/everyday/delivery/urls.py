from django.urls import path

from . import views

urlpatterns = [
    path("delivery/logout/", views.leave),
    path("delivery/<uuid:tracking>/", views.page),
    path("api/parcels/", views.parcels),
    path("api/parcels/<int:pk>/", views.parcel),
]
