// Labels of metrics in words: what each means, and what to do. The long form is docs/METRICS.md; a test of the node compares
// the lists of reasons with its own.

/** Why an event or a frame did not reach a client: `[meaning, what to do]`. */
export const DROPS = {
  decrypt: ["No key of layer.keys fits.", "Compare Django's symmetric_encryption_keys with the node's keys."],
  decode: ["The bytes in Redis are not a message of Channels.", "The log names channel and fault: another program, or another serializer."],
  too_large: ["Larger than layer.max_message.", "Send a reference instead of the data, or raise the limit."],
  unknown_channel: ["A queue entry names a group that this node never had.", "A few after a restart are normal. Many: two nodes share a queue."],
  no_handler: ["No on_event of the consumer handles events of this type.", "Add a handler, or “*”; or send such events to another group."],
  mapping: ["An expression of the consumer failed on the event.", "The log names consumer, type and fault: correct the event, or use default(…)."],
  slow_client: ["The client read too slowly. Its outbox was full, and it was closed with 1013.", "Look at the client's network, or use a policy such as latest."],
  volatile: ["A volatile message, for a client that is behind.", "Nothing: that is what volatile means."],
  backlog: ["64 MiB waited for a worker.", "The node is overloaded: add a node, or send less."],
  held: ["It waited for a handler of its connection, and more waited than an outbox holds.", "The backend is slow, or the events are many: raise socket.outbox."],
  closed: ["The connection ended before the frame was written.", "Normal at every departure."],
  oldest: ["The policy drop_oldest: older events gave way to newer ones.", "Nothing, if that policy is intended."],
  superseded: ["A newer event with the same key took its place.", "Nothing: that is what the policy latest means."],
  shed: ["All outboxes together exceeded socket.outbox_total.", "Send less, or raise the limit."],
  unsupported: ["An emitter of Socket.IO asks for something that the node does not do.", "The log has the request."],
  channels: ["An event of this node did not reach Channels' own consumers.", "Read faster, or raise capacity in both settings."],
  values: ["The members had more than 64 different values of the connection.", "Send what many have in common, and let the client add the rest."],
  throttled: ["The handler's throttle permits no more for this connection.", "Nothing: that is what a throttle means."],
  calls: ["More members needed a call of Python than one event may have.", "Write an on_event expression, or use python_per."],
  unmapped: ["The group of a [[source]] gave no valid name.", "Correct the mapping, or narrow the pattern."],
};

/** Why events may have been missed. */
export const GAPS = {
  reconnected: ["The subscription in Redis was lost and is back. Concerns all groups.", "Why was Redis away: restart, failover, network?"],
  capacity: ["A receive queue was full, so publishers dropped silently.", "Raise capacity in Django's CHANNEL_LAYERS and here, or layer.queues."],
  expired: ["The node did not read for longer than layer.expiry, or Redis lost memberships.", "Was the process stopped, or Redis flushed? Does Redis evict?"],
  backlog: ["64 MiB waited for a worker. Concerns all its groups.", "The node is overloaded: add a node, or send less."],
  slow_client: ["A client was behind and lost what waited for it.", "Look at the client's network."],
  held: ["While a handler ran, more events came than may wait.", "The backend is slow: look at its calls, or raise socket.outbox."],
  values: ["The members had more different values than a message may have forms.", "See the drop of the same name."],
  calls: ["More members needed a call of Python than one event may have.", "See the drop of the same name."],
};

/** How a call of the bridge ended. */
export const BRIDGE = {
  open: ["Done; the connection goes on.", ""],
  stopped: ["Done; the consumer is called no more.", ""],
  cancelled: ["The connection ended meanwhile.", "Many: clients leave because Django is slow."],
  error: ["The consumer raised an exception.", "Django's log has the traceback."],
  refused: ["The consumer does what a call per event cannot do.", "The log says what."],
  restart: ["The code that runs now cannot read the state.", "Some after a deployment are normal."],
  away: ["Django refused connections for too long.", "Does it run, and on the port of backend.url?"],
  overloaded: ["Too many calls waited, for too long.", "More workers in Django, or a larger backend.concurrency."],
  broken: ["The answer broke off, or did not come in time.", "The log says which. Was a worker killed?"],
  misconfigured: ["Django, or a proxy before it, refuses every call.", "The log says what to change."],
  too_large: ["The call is larger than backend.max_request.", "Raise the limit, or send less."],
};

/** How a question to Django ended. */
export const BACKEND = {
  "2xx": ["Answered.", ""],
  "3xx": ["A redirect, which is not followed.", "Correct backend.url."],
  "4xx": ["Refused.", "401 and 403 for all actions: backend.secret is not Django's."],
  "5xx": ["Django failed.", "See its log."],
  other: ["Another status.", ""],
  timeout: ["No answer in time.", "Raise backend.timeout, or add processes."],
  unreachable: ["No connection.", "Does Django run? Is backend.url right?"],
  broken: ["The connection broke, or the answer was not HTTP.", "See Django's log."],
  too_large: ["The answer is above 1 MiB.", "Answer with less."],
  request_too_large: ["The question is above backend.max_request.", "Ask with less, or raise the limit."],
  overload: ["More calls wait than may.", "Raise backend.concurrency up to what Django has processes for."],
};

/** Outcomes that are as they should be. */
export const WELL = new Set(["open", "stopped", "2xx"]);

/** What happened to a message for one connection. */
export const DIRECT = {
  __proto__: null,
  reached: "reached its connection",
  gone: "no connection of this node has this channel",
  unhandled: "the connection has no consumer that could handle it",
};

export const PROTOCOLS = { __proto__: null, websocket: "WebSocket", "socket.io": "Socket.IO", "engine.io": "Engine.IO" };

/** The meaning of a label, also of one that is newer than this page. */
export const meaning = (words, label) => words[label]?.[0] ?? "See docs/METRICS.md.";
export const advice = (words, label) => words[label]?.[1] ?? "";
