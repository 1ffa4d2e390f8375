from rest_framework import serializers, viewsets

from staff.models import Employee, EmployeeAttendance


class EmployeeSerializer(serializers.ModelSerializer):
    class Meta:
        model = Employee
        fields = "__all__"


class EmployeeAttendanceSerializer(serializers.ModelSerializer):
    class Meta:
        model = EmployeeAttendance
        fields = "__all__"


class EmployeeViewSet(viewsets.ModelViewSet):
    queryset = Employee.objects.order_by("id")
    serializer_class = EmployeeSerializer


class EmployeeAttendanceViewSet(viewsets.ModelViewSet):
    queryset = EmployeeAttendance.objects.order_by("id")
    serializer_class = EmployeeAttendanceSerializer
