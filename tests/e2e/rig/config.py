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

#: A Socket.IO server that gives back what it gets, with rooms, in two namespaces.
ECHO = """
[[consumer]]
name = "echo"
protocol = "socket.io"
path = "/socket.io/"
auth = ["anonymous"]
[consumer.on_message.echo]
ack_args = "args"
[consumer.on_message.say]
reply = { event = "said", args = "args" }
[consumer.on_message.join]
join = "room_{{ args[0] }}"
ack = "'joined'"
[consumer.on_message.leave]
leave = "room_{{ args[0] }}"
ack = "'left'"
[consumer.on_message.tell]
room = { to = "room_{{ args[0] }}", event = "told", data = "args[1]" }
[consumer.on_message.tell_others]
others = { to = "room_{{ args[0] }}", event = "told", data = "args[1]" }
[consumer.on_message.tell_all]
all = { event = "told", data = "args[0]" }
[consumer.on_message.ask_me.reply]
event = "question"
data = "args[0]"
[consumer.on_message.ask_me.reply.expect]
timeout = "500ms"
ok = { reply = { event = "answered", data = "result.args" } }
error = { reply = { event = "unanswered" } }
[consumer.on_message.bye]
disconnect = true

[[consumer]]
name = "admin"
protocol = "socket.io"
path = "/socket.io/"
namespace = "/admin"
auth = ["anonymous"]
[consumer.on_message.echo]
ack_args = "args"
"""
