from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from parking import services
from parking.models import Notification, ParkingLot, Reservation


class ParkingLotSerializer(serializers.ModelSerializer):
    occupied = serializers.IntegerField(read_only=True)

    class Meta:
        model = ParkingLot
        fields = "__all__"


class ReservationSerializer(serializers.ModelSerializer):
    class Meta:
        model = Reservation
        fields = "__all__"
        read_only_fields = ["user"]


class NotificationSerializer(serializers.ModelSerializer):
    class Meta:
        model = Notification
        fields = "__all__"


class ParkingLotViewSet(viewsets.ModelViewSet):
    queryset = ParkingLot.objects.order_by("id")
    serializer_class = ParkingLotSerializer


class ReservationViewSet(viewsets.ModelViewSet):
    permission_classes = [IsAuthenticated]
    serializer_class = ReservationSerializer

    def get_queryset(self):
        return Reservation.objects.filter(user=self.request.user).order_by("id")

    def perform_create(self, serializer):
        serializer.save(user=self.request.user)

    @action(detail=True, methods=["post"])
    def cancel(self, request, pk=None):
        reservation = self.get_object()
        reservation.status = Reservation.Status.CANCELLED
        reservation.save()
        return Response(self.get_serializer(reservation).data)

    @action(detail=True, methods=["post"])
    def remind(self, request, pk=None):
        services.remind_of(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @action(detail=False, methods=["post"])
    def expire(self, request):
        services.expire_reservations()
        return Response(status=status.HTTP_204_NO_CONTENT)


class NotificationViewSet(viewsets.ModelViewSet):
    permission_classes = [IsAuthenticated]
    queryset = Notification.objects.order_by("id")
    serializer_class = NotificationSerializer

    def perform_create(self, serializer):
        services.send_notification(serializer.save())
