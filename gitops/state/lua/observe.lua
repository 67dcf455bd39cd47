-- The watcher saw one object of an application change.
-- KEYS: observed hash, compared hash, app hash, lock, diff lists (normal, urgent), apply lists (normal, urgent), soon zset.
-- ARGV: object key, resourceVersion, "1" if it is gone, "1" if only its status changed, now + debounce, app id,
--       then diff: id, payload, and apply: id, payload.
-- Returns 0 our own echo, 1 published, 2 joined a waiting message, 3 put off a moment, 4 left to the one who holds the lock
-- (the mark `heard` is seen at its release, unless a comparison of what was heard takes it off before).
-- A gone object is remembered as "-<rv>" until the next comparison, if the last one knew it.
local observed, compared, app = KEYS[1], KEYS[2], KEYS[3]
local rv, gone = tonumber(ARGV[2]) or 0, ARGV[3] == '1'
local noted = redis.call('HGET', compared, ARGV[1])
if gone and not noted then
  redis.call('HDEL', observed, ARGV[1])
  return 0
end
if gone then redis.call('HSET', observed, ARGV[1], '-' .. ARGV[2])
else redis.call('HSET', observed, ARGV[1], ARGV[2]) end
if noted and tonumber(string.match(noted, '^%d+') or '0') >= rv and not gone then return 0 end
redis.call('HINCRBY', app, 'dirty', 1)
if redis.call('EXISTS', KEYS[4]) == 1 then
  redis.call('HSET', app, 'heard', '1')
  return 4
end
if redis.call('HEXISTS', app, 'op') == 1 then
  -- An operation that goes on by itself after its turn keeps its place in the queue.
  if redis.call('HEXISTS', app, 'pend:apply') == 1 then return 2 end
  return 2 - publish(app, 'apply', '1', ARGV[9], ARGV[10], KEYS[7], KEYS[8])
end
if ARGV[4] == '1' then
  redis.call('ZADD', KEYS[9], 'LT', ARGV[5], ARGV[6])
  return 3
end
return 2 - publish(app, 'diff', '1', ARGV[7], ARGV[8], KEYS[5], KEYS[6])
