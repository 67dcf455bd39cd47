-- What an application is made and compared by has changed: it is made anew and everything is read, at the given time at the
-- latest. Who is at it at this moment began before: `anew` tells him, and the next claim, that it does not count.
-- KEYS: app hash, due zset. ARGV: app id, unix seconds. Returns 1, or 0 where the application is not followed (any more).
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'done', '', 'full', '0')
redis.call('HINCRBY', KEYS[1], 'anew', 1)
redis.call('ZADD', KEYS[2], 'XX', 'LT', ARGV[2], ARGV[1])
return 1
