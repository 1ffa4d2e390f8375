"""Configuration files of the tests."""

#: A room per name: every group is joined for one connection, so a join that comes late shows.
ROOMS = """
[[consumer]]
path = "/room/<str:name>/"
groups = ["room_{{ route.name }}"]
[consumer.on_event."*"]
send = "event"

[[consumer]]
path = "/ws/"
groups = ["broadcast"]
[consumer.on_event.send_event]
send = "{'event': event.event, 'data': event.data}"
"""
