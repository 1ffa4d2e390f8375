from django.urls import path

from orders import views

urlpatterns = [path("orders/<int:pk>/pay/", views.pay)]
