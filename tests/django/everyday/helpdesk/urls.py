from django.urls import path

from . import views

urlpatterns = [
    path("helpdesk/logout/", views.leave),
    path("helpdesk/<int:pk>/", views.page),
    path("api/tickets/", views.tickets),
    path("api/tickets/<int:pk>/", views.ticket),
]
