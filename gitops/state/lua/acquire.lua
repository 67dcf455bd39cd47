-- KEYS: lock, fence, app hash, alive key of the holder's worker is built from ARGV[6].
-- ARGV: worker, task id, ttl ms, now ms, task, alive prefix.
-- Returns the fencing token, or 0 where a living worker holds the lock; the wish is then noted for its release.
-- The lock is taken over from a worker that is gone, and by a message that came again (its first bearer is fenced off).
local held = redis.call('GET', KEYS[1])
if held then
  local worker, id = string.match(held, '^%d+|([^|]*)|(.*)$')
  if id ~= ARGV[2] and redis.call('EXISTS', ARGV[6] .. worker) == 1 then
    redis.call('HSET', KEYS[3], 'again:' .. ARGV[5], '1')
    return 0
  end
end
local token = math.max(tonumber(ARGV[4]), tonumber(redis.call('GET', KEYS[2]) or '0') + 1)
local text = string.format('%.0f', token)
redis.call('SET', KEYS[2], text)
redis.call('SET', KEYS[1], text .. '|' .. ARGV[1] .. '|' .. ARGV[2], 'PX', ARGV[3])
return tonumber(text)
