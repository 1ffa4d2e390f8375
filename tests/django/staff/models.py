from django.db import models


class Employee(models.Model):
    first_name = models.CharField(max_length=255)
    last_name = models.CharField(max_length=255)
    email = models.EmailField(unique=True)
    phone_number = models.CharField(max_length=20, unique=True)
    image = models.FileField(upload_to="employees/", blank=True, null=True)


class EmployeeAttendance(models.Model):
    employee = models.ForeignKey(Employee, on_delete=models.CASCADE, related_name="attendances")
    device_id = models.IntegerField()
    image = models.FileField(upload_to="employees/attendances/")
    datetime = models.DateTimeField()
    score = models.FloatField()
