from rest_framework import serializers, viewsets
from rest_framework.permissions import IsAuthenticated

from repairs import events, services
from repairs.models import Notification, Ticket, WorkOrder


class WorkOrderSerializer(serializers.ModelSerializer):
    technician_name = serializers.CharField(source="technician.get_full_name", read_only=True, default=None)

    class Meta:
        model = WorkOrder
        fields = "__all__"


class TicketSerializer(serializers.ModelSerializer):
    class Meta:
        model = Ticket
        fields = "__all__"


class NotificationSerializer(serializers.ModelSerializer):
    class Meta:
        model = Notification
        fields = "__all__"


def changes_of(serializer):
    """Saves, and returns the changed fields with their old values."""
    row = serializer.instance
    before = {name: getattr(row, name) for name in serializer.validated_data}
    serializer.save()
    return {name: value for name, value in before.items() if getattr(row, name) != value}


class WorkOrderViewSet(viewsets.ModelViewSet):
    permission_classes = [IsAuthenticated]
    queryset = WorkOrder.objects.select_related("technician").order_by("id")
    serializer_class = WorkOrderSerializer

    def perform_update(self, serializer):
        changes = changes_of(serializer)
        services.work_order_changed(serializer.instance, changes, self.request.user.id)


class TicketViewSet(viewsets.ModelViewSet):
    permission_classes = [IsAuthenticated]
    queryset = Ticket.objects.order_by("id")
    serializer_class = TicketSerializer

    def perform_update(self, serializer):
        changes = changes_of(serializer)
        ticket, by = serializer.instance, self.request.user.id
        if "status" in changes:
            old = changes.pop("status")
            events.ticket_updated(ticket, "status_changed", oldStatus=old, newStatus=ticket.status, updatedBy=by)
        if changes:
            events.ticket_updated(ticket, "updated", updatedFields=list(changes), updatedBy=by)


class NotificationViewSet(viewsets.ModelViewSet):
    permission_classes = [IsAuthenticated]
    queryset = Notification.objects.order_by("id")
    serializer_class = NotificationSerializer

    def perform_create(self, serializer):
        services.notify(serializer.save())

    def perform_update(self, serializer):
        if "read" in changes_of(serializer):
            events.notification_count_updated(serializer.instance.user_id)
