-- Stores a node's numbers of connections for some users, and grants more where the limit allows.
-- KEYS: this node's lease
-- ARGV: number of the exchange, lease ms, keep ms, the limit, prefix of users' keys, prefix of nodes' keys, node,
--       then for each step: user, number of connections, number of further connections requested
-- Returns: {1 if the lease was valid, else 0; for each step, how many are granted}, or {} after a later exchange
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) >= tonumber(ARGV[1]) then
    return {}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local limit, node = tonumber(ARGV[4]), ARGV[7]
local lives = {}
local answer = { last and 1 or 0 }
for i = 8, #ARGV, 3 do
    local key, open, want = ARGV[5] .. ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
    local others = 0
    local all = redis.call('HGETALL', key)
    for j = 1, #all, 2 do
        local other = all[j]
        if other ~= node then
            if lives[other] == nil then
                lives[other] = redis.call('EXISTS', ARGV[6] .. other) == 1
            end
            if lives[other] then
                others = others + tonumber(all[j + 1])
            else
                redis.call('HDEL', key, other)
            end
        end
    end
    local more = math.max(0, math.min(want, limit - others - open))
    if open + more > 0 then
        redis.call('HSET', key, node, open + more)
        redis.call('PEXPIRE', key, ARGV[3])
    else
        redis.call('HDEL', key, node)
    end
    answer[#answer + 1] = more
end
return answer
