-- The watch, or an answer to our own write, brought an Application. KEYS: app hash, set of applications.
-- ARGV: resourceVersion, digest of what people decide, the sealed Application, app id.
-- Returns 0 where Redis has it as new or newer, 1 where people's part is as it was, 2 where that has changed.
local known = redis.call('HMGET', KEYS[1], 'spec', 'crv')
if known[2] and tonumber(known[2]) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'cr', ARGV[3], 'spec', ARGV[2], 'crv', ARGV[1])
redis.call('SADD', KEYS[2], ARGV[4])
return known[1] == ARGV[2] and 1 or 2
