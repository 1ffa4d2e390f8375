//! Packets of Engine.IO 4 and Socket.IO 5: the only place that knows their bytes.
//!
//! In: what a client sent, or an event with its arguments. Out: a [`Payload`] to send, or what the client meant.
