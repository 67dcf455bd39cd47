-- KEYS: hash. ARGV: holder, throttled ("1": the server answered 429 or 503), slow ("1": slower than wanted), now ms,
-- start, floor, ceiling. Additive increase, multiplicative decrease; at most one decrease a second. Returns the limit.
redis.call('HDEL', KEYS[1], 'h:' .. ARGV[1])
local limit = tonumber(redis.call('HGET', KEYS[1], 'limit') or ARGV[5])
local cut = tonumber(redis.call('HGET', KEYS[1], 'cut') or '0')
local now = tonumber(ARGV[4])
if ARGV[2] == '1' or ARGV[3] == '1' then
  if now - cut >= 1000 then
    limit = math.max(tonumber(ARGV[6]), limit * (ARGV[2] == '1' and 0.5 or 0.9))
    redis.call('HSET', KEYS[1], 'cut', ARGV[4])
  end
else
  limit = math.min(tonumber(ARGV[7]), limit + 0.25)
end
redis.call('HSET', KEYS[1], 'limit', tostring(limit))
return math.floor(limit)
