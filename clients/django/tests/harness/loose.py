"""Sessions in a database that does not tell capital letters from small ones, as MySQL by default."""

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


class LooseSession(AbstractBaseSession):
    session_key = models.CharField(max_length=40, primary_key=True, db_collation="NOCASE")

    class Meta:
        app_label = "project"


class SessionStore(DatabaseStore):
    @classmethod
    def get_model_class(cls):
        return LooseSession
