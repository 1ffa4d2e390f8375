//! Bytes to plain data and back, without I/O: every format that Django and its libraries write to Redis.
