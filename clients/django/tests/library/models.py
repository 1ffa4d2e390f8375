"""Models with what makes a snapshot hard: parents, files, relations, generic keys, fields of other packages."""

from django.contrib.auth.models import AbstractUser
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Shelf:
    """A value of a field that only the field can write."""

    __slots__ = ("row",)

    def __init__(self, row):
        self.row = row

    def __reduce__(self):
        raise TypeError

    def __eq__(self, other):
        return type(other) is Shelf and other.row == self.row

    __hash__ = None


class ShelfField(models.CharField):
    def from_db_value(self, value, expression, connection):
        return self.to_python(value)

    def to_python(self, value):
        return Shelf(value) if type(value) is str and value else value

    def get_prep_value(self, value):
        return value.row if isinstance(value, Shelf) else value

    def value_to_string(self, obj):
        return self.get_prep_value(self.value_from_object(obj))


class BrokenField(ShelfField):
    def value_to_string(self, obj):
        raise TypeError("cannot be written")


class Author(models.Model):
    name = models.CharField(max_length=50)
    born = models.DateField(null=True)


class Item(models.Model):
    title = models.CharField(max_length=50)
    added = models.DateTimeField(auto_now_add=True)


class Book(Item):
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books", null=True)
    price = models.DecimalField(max_digits=6, decimal_places=2, default=1)
    extent = models.DurationField(null=True)
    meta = models.JSONField(default=dict)
    cover = models.FileField(upload_to="covers", blank=True)
    shelf = ShelfField(max_length=10, blank=True)
    readers = models.ManyToManyField(Author, related_name="read")


class Crate(models.Model):
    shelf = BrokenField(max_length=10, blank=True)


class Note(models.Model):
    text = models.TextField()
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.PositiveIntegerField()
    about = GenericForeignKey()


class Member(AbstractUser):
    groups = None
    user_permissions = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._before = self.username
