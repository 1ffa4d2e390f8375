-- Adds members to this node and removes members from it, in the given order.
-- KEYS: nodes, this node's members, ids, epoch, recovering
-- ARGV: node, keep ms, the epoch it knows, prefix of the members' keys, prefix of the scopes' keys, then for each step:
--   what, field, id, facts, scope
--   '+' joins; 'p' joins, and may be stored already; '-' leaves; 'm' leaves, and may be removed already
-- Returns: {-1} if this node must join first, else {recovering ms, the moment in us, one of these for each step}
--   0 no change for the cluster; 1 the member was absent before, or is absent now; 2 not done: the data is not complete yet
local node, keep, prefix = ARGV[1], ARGV[2], ARGV[4]
local lease = redis.call('ZSCORE', KEYS[1], node)
if redis.call('GET', KEYS[4]) ~= ARGV[3] or not lease or tonumber(lease) <= 0 then
    return { -1 }
end
local recovering = math.max(redis.call('PTTL', KEYS[5]), 0)
local time = redis.call('TIME')
local at = time[1] * 1000000 + time[2]
local moment = string.format('%.0f ', at)
local answer = { recovering, at }
for i = 6, #ARGV, 5 do
    local what, field, id, facts = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    local key, listed_in, result = prefix .. field, ARGV[5] .. ARGV[i + 4], 0
    if what == '+' or what == 'p' then
        local absent = redis.call('EXISTS', key) == 0
        if absent then
            redis.call('HINCRBY', KEYS[3], id, 1)
        end
        redis.call('SADD', key, node)
        redis.call('PEXPIRE', key, keep)
        redis.call('HSET', KEYS[2], field, facts)
        redis.call('HSETNX', listed_in, id, moment .. facts)
        redis.call('PEXPIRE', listed_in, keep)
        local alone = absent or (what == 'p' and redis.call('SCARD', key) == 1)
        if alone and recovering == 0 then
            result = 1
        end
    elseif recovering > 0 then
        result = 2
    else
        local listed = redis.call('HDEL', KEYS[2], field) == 1
        redis.call('SREM', key, node)
        if redis.call('EXISTS', key) == 0 then
            redis.call('HDEL', listed_in, id)
            if listed and redis.call('HINCRBY', KEYS[3], id, -1) <= 0 then
                redis.call('HDEL', KEYS[3], id)
            end
            if listed or what == 'm' then
                result = 1
            end
        end
    end
    answer[#answer + 1] = result
end
redis.call('PEXPIRE', KEYS[2], keep)
redis.call('PEXPIRE', KEYS[3], keep)
return answer
