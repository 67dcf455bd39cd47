-- Beat claims one due application: however many beats run, a slot is claimed once.
-- KEYS: due zset, app hash, normal list, urgent list, then one refs hash for each source.
-- ARGV: app id, now, next due time, task, message id, payload, refs valid from, then for each source: ref, revision.
-- Returns 0 not due any more, 1 published, 2 joined a waiting message, 3 nothing can have changed.
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) > tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
local flags = redis.call('HMGET', KEYS[2], 'spec', 'done', 'dirty', 'seen', 'full', 'anew', 'made')
local still = flags[1] and flags[1] == flags[2] and (flags[3] or '0') == (flags[4] or '0')
  and flags[5] and tonumber(flags[5]) > tonumber(ARGV[2]) and (flags[6] or '0') == (flags[7] or '0') and #ARGV > 7
if still then
  for at = 8, #ARGV, 2 do
    local refs = KEYS[5 + (at - 8) / 2]
    local known = redis.call('HMGET', refs, 'at', 'ref:' .. ARGV[at])
    if not known[1] or tonumber(known[1]) < tonumber(ARGV[7]) or known[2] ~= ARGV[at + 1] then
      still = false
      break
    end
  end
end
if still then return 3 end
if publish(KEYS[2], ARGV[4], '0', ARGV[5], ARGV[6], KEYS[3], KEYS[4]) == 1 then return 1 end
return 2
