-- Ends an epoch whose data is not complete any more; every node notices that with its next heartbeat.
-- KEYS: epoch
-- ARGV: the epoch
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
