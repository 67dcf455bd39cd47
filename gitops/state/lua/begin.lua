-- A worker starts on a message: its marker goes, so that a wish which comes from now on gets a message of its own.
-- KEYS: app hash. ARGV: task, id.
-- Returns one more than the rank of the wish where the marker was this message's, else 0 (a redelivery).
local pend = redis.call('HGET', KEYS[1], 'pend:' .. ARGV[1])
if pend and string.sub(pend, 3) == ARGV[2] then
  redis.call('HDEL', KEYS[1], 'pend:' .. ARGV[1])
  return tonumber(string.sub(pend, 1, 1)) + 1
end
return 0
