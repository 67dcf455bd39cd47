-- A message that was taken by a worker which is gone waits again at once, at the end that is served next.
-- KEYS: hash of taken messages, their index by time, the list. ARGV: the tag it was taken under, the message.
-- Returns 1, or 0 where it was acknowledged or restored meanwhile.
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('RPUSH', KEYS[3], ARGV[2])
return 1
