from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save


class HelpdeskConfig(AppConfig):
    name = "helpdesk"

    def ready(self):
        from . import events
        from .models import Comment, Ticket

        post_save.connect(events.ticket_saved, sender=Ticket)
        post_delete.connect(events.ticket_deleted, sender=Ticket)
        post_save.connect(events.comment_saved, sender=Comment)
