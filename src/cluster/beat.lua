-- Renews a node's lease, and returns whether it had ended, and the living nodes.
-- KEYS: the set of nodes by the end of their lease, this node's key
-- ARGV: id, lease in ms, facts as JSON, prefix of the nodes' keys
-- Returns: '1' if this node was not among them until now, else '0'; then ids and facts in turn, without nodes that have no
--   facts any more
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = tonumber(ARGV[2])
local listed = redis.call('GET', KEYS[2])
redis.call('SET', KEYS[2], ARGV[3], 'PX', lease)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local is_new = redis.call('ZADD', KEYS[1], now + lease, ARGV[1]) == 1 or not listed
if redis.call('PTTL', KEYS[1]) < lease then
    redis.call('PEXPIRE', KEYS[1], lease)
end
local answer = { is_new and '1' or '0' }
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    local facts = redis.call('GET', ARGV[4] .. id)
    if facts then
        answer[#answer + 1] = id
        answer[#answer + 1] = facts
    end
end
return answer
