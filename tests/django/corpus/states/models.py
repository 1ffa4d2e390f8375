from django.conf import settings
from django.db import models


class Company(models.Model):
    name = models.CharField(max_length=60)


class Employee(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="employee")
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="employees")
    salary = models.DecimalField(max_digits=9, decimal_places=2)
    hired = models.DateField()
    tags = models.JSONField(default=list)
    badge = models.UUIDField()


class Task(models.Model):
    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="tasks")
    title = models.CharField(max_length=60)
    done = models.BooleanField(default=False)
