-- Marks a node as stopped: the other nodes take over its members, and wait for them to return.
-- KEYS: nodes, this node's members
-- ARGV: node, keep ms
if redis.call('EXISTS', KEYS[2]) == 0 then
    redis.call('ZREM', KEYS[1], ARGV[1])
else
    redis.call('ZADD', KEYS[1], 0, ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
