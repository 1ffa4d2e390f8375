-- Renews a node's lease, joins if asked to, and returns the nodes with an expired lease.
-- KEYS: nodes, this node's members, ids, epoch, recovering
-- ARGV: node, lease ms, keep ms, the epoch it knows ('' for none), a new epoch, settle ms, '1' to join, '1' while it
--   writes its members again
-- Returns: {'lost', 'data' or 'lease'}, or {epoch, recovering ms, dead node ...}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known, keep = ARGV[4], ARGV[3]
local epoch = redis.call('GET', KEYS[4])
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ARGV[7] ~= '1' then
    if epoch ~= known then
        return { 'lost', 'data' }
    end
    -- Not listed, or 0 or less: other nodes have begun to take over this node's members.
    if not lease or tonumber(lease) <= 0 then
        return { 'lost', 'lease' }
    end
end
if not epoch then
    epoch = ARGV[5]
    redis.call('SET', KEYS[4], epoch, 'PX', keep)
end
if (known ~= '' and known ~= epoch) or ARGV[8] == '1' then
    redis.call('SET', KEYS[5], 1, 'PX', ARGV[6])
end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
for i = 1, 4 do
    redis.call('PEXPIRE', KEYS[i], keep)
end
local answer = { epoch, math.max(redis.call('PTTL', KEYS[5]), 0) }
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 100)) do
    answer[#answer + 1] = dead
end
return answer
