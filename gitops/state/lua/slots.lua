-- Slots of one cluster's in-flight limit, taken for a batch.
-- KEYS: hash. ARGV: wanted, holder, now ms, lease ms, start, floor, ceiling.
-- Fields: limit, h:<holder> = "<count>|<expiry ms>". Returns how many were granted (0: none free).
local limit = tonumber(redis.call('HGET', KEYS[1], 'limit') or ARGV[5])
local used, now = 0, tonumber(ARGV[3])
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  if string.sub(all[at], 1, 2) == 'h:' then
    local count, expiry = string.match(all[at + 1], '^(%d+)|(%d+)$')
    if tonumber(expiry) < now then redis.call('HDEL', KEYS[1], all[at]) else used = used + tonumber(count) end
  end
end
local free = math.floor(limit) - used
if free <= 0 then return 0 end
local granted = math.min(free, tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'h:' .. ARGV[2], granted .. '|' .. string.format('%.0f', now + tonumber(ARGV[4])))
redis.call('PEXPIRE', KEYS[1], 3600000)
return granted
