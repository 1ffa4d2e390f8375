-- The members of a scope.
-- KEYS: the scope's members, recovering
-- ARGV: how many to list
-- Returns: {the moment in us, their number, 1 if the nodes write their members again, id, 'moment facts' ...}
local time = redis.call('TIME')
local most = tonumber(ARGV[1])
local count = redis.call('HLEN', KEYS[1])
local listed
if count <= most then
    listed = redis.call('HGETALL', KEYS[1])
else
    listed = redis.call('HSCAN', KEYS[1], '0', 'COUNT', most)[2]
end
local answer = { time[1] * 1000000 + time[2], count, redis.call('EXISTS', KEYS[2]) }
for i = 1, math.min(#listed, 2 * most) do
    answer[#answer + 1] = listed[i]
end
return answer
