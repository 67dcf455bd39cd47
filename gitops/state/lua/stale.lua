-- What an application was compared by has changed: the next look reads everything, and comes at the given time at the latest.
-- KEYS: app hash, due zset. ARGV: app id, unix seconds. Returns 1, or 0 where the application is not followed (any more).
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'done', '', 'full', '0')
redis.call('ZADD', KEYS[2], 'XX', 'LT', ARGV[2], ARGV[1])
return 1
