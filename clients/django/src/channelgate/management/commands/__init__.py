"""`manage.py channelgate`."""
