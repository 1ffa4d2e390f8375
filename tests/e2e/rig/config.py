"""Configuration files of the tests."""

#: A room per name: every group is joined for one connection, so a late join is visible.
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

#: A Socket.IO server that echoes, with rooms, in two namespaces.
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
timeout = "30s"
ok = { reply = { event = "answered", data = "result.args" } }
error = { reply = { event = "unanswered" } }
[consumer.on_message.ask_me_briefly.reply]
event = "question"
data = "args[0]"
[consumer.on_message.ask_me_briefly.reply.expect]
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

#: A handler for each way in which client data is stored or passed on.
ATTACKED = """
[[consumer]]
path = "/plain/"
[consumer.on_message.echo]
reply = "message.data"
[consumer.on_message.call.call]
action = "hang"
[consumer.on_message.carry.call]
action = "hang"
data = "message.data"
[consumer.on_message.tell]
publish = { group = "nobody", event = "{'type': 'told', 'data': message.data}" }
[consumer.on_message.keep.set]
kept = "message.data"
[consumer.on_message.subscribe]
subscribe = "message.names"
[consumer.on_message.join]
join = "room_{{ message.name }}"
[consumer.on_message.join_and_call]
join = "room_{{ message.name }}"
# Longer than it takes until all have joined and have got their events.
call = { action = "hang", timeout = "15s" }
[consumer.on_event.whispered]
topic = "event.topic"
send = "event"
[consumer.on_event.shouted]
send = "event"

[[consumer]]
path = "/slow/"
[consumer.on_admit.call]
action = "hang"

[[consumer]]
path = "/there/"
presence = { member = "query.name" }

[[consumer]]
path = "/mine/"
auth = ["jwt"]
[consumer.on_message.who]
reply = "[claims, user]"

[[consumer]]
name = "main"
protocol = "socket.io"
path = "/socket.io/"
[consumer.on_message.echo]
ack_args = "args"
[consumer.on_message.say]
reply = { event = "said", args = "args" }
[consumer.on_message.call.call]
action = "hang"
[consumer.on_message.carry.call]
action = "hang"
data = "args"
[consumer.on_message.tell]
others = { to = "room", event = "told", args = "args" }
[consumer.on_message.all]
all = { event = "told", args = "args" }
[consumer.on_message.keep.set]
kept = "args"
[consumer.on_message.ask.reply]
event = "question"
data = "1"
[consumer.on_message.ask.reply.expect]
timeout = "5s"
ok = { reply = { event = "answered", args = "args" } }
[consumer.on_message.who]
ack_args = "[auth, query]"
"""
