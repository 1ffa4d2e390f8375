-- Takes over members of a node with an expired lease. Members on no other node become this node's, so that only one
-- node announces that they left; should this node end meanwhile, another one takes over.
-- KEYS: nodes, this node's members, the dead node's members
-- ARGV: node, keep ms, prefix of the members' keys, dead node, approximate number of members
-- Returns: {1 if no members remain, 1 if the dead node had stopped properly, field, facts, field, facts ...}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local node, keep, prefix, dead = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease = tonumber(redis.call('ZSCORE', KEYS[1], dead) or now + 1)
if lease > now then
    return { 1, 0 }
end
if lease > 0 then
    -- Should the node still live, it must now join again.
    redis.call('ZADD', KEYS[1], -1, dead)
end
local answer = { 0, lease == 0 and 1 or 0 }
local cursor = '0'
repeat
    local page = redis.call('HSCAN', KEYS[3], cursor, 'COUNT', ARGV[5])
    cursor = page[1]
    for i = 1, #page[2], 2 do
        local field, facts = page[2][i], page[2][i + 1]
        -- A scan may show a field twice.
        if redis.call('HDEL', KEYS[3], field) == 1 then
            local key = prefix .. field
            redis.call('SREM', key, dead)
            if redis.call('EXISTS', key) == 0 then
                redis.call('SADD', key, node)
                redis.call('PEXPIRE', key, keep)
                redis.call('HSET', KEYS[2], field, facts)
                answer[#answer + 1] = field
                answer[#answer + 1] = facts
            end
        end
    end
until cursor == '0' or #answer > 2
redis.call('PEXPIRE', KEYS[2], keep)
if redis.call('EXISTS', KEYS[3]) == 0 then
    redis.call('ZREM', KEYS[1], dead)
    answer[1] = 1
end
return answer
