-- Included at the head of a script that acts for the holder of a lease: one that has lost it changes nothing.
-- The last key is the lease ("<token>|<owner>"), the last argument the token that the caller had from it.
-- Answers -1 where the lease is another's by now, or nobody's.
local lease = redis.call('GET', KEYS[#KEYS])
if not lease or string.match(lease, '^%d+') ~= ARGV[#ARGV] then return -1 end
