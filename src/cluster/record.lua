-- Stores an order to disconnect.
-- KEYS: the set
-- ARGV: the order, lifetime of the set in ms or '', end of the order in ms of Unix time or '', maximum number of entries
-- Returns: how many entries were removed although they were still valid
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left
if ARGV[2] ~= '' then
    left = tonumber(ARGV[2])
    redis.call('ZADD', KEYS[1], now, ARGV[1])
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - left)
else
    left = tonumber(ARGV[3]) - now
    redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
end
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
if over > 0 then
    redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1)
end
if left > 0 and redis.call('PTTL', KEYS[1]) < left then
    redis.call('PEXPIRE', KEYS[1], left)
end
return math.max(over, 0)
