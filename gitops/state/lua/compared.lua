-- The end of a comparison: plain fields of the application are set. Where what it is made and compared by has changed since
-- the comparison began (`anew`, the configuration's counter), what was compared does not count, and all is to be read again.
-- KEYS: app hash, configuration counter. ARGV: `anew` and the counter as they were then, then (field, value) pairs.
-- Returns 1 where it counts, else 0.
for at = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
local anew, config = redis.call('HGET', KEYS[1], 'anew') or '0', redis.call('GET', KEYS[2]) or ''
if anew == ARGV[1] and config == ARGV[2] then return 1 end
redis.call('HSET', KEYS[1], 'done', '', 'full', '0')
return 0
