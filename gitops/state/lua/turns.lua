-- Applications that are in no hurry get a turn each, after the turns that were given before.
-- KEYS: due set, turn. ARGV: first time, seconds between two, seconds that turns reach ahead at the most, applications.
-- Who is due before his turn anyway takes none of them.
local latest = tonumber(ARGV[1]) + tonumber(ARGV[3])
local turn = math.max(tonumber(ARGV[1]), tonumber(redis.call('GET', KEYS[2]) or '0'))
for at = 4, #ARGV do
  if turn >= latest then break end
  local due = redis.call('ZSCORE', KEYS[1], ARGV[at])
  if due and tonumber(due) > turn then
    redis.call('ZADD', KEYS[1], string.format('%.3f', turn), ARGV[at])
    turn = turn + tonumber(ARGV[2])
  end
end
redis.call('SET', KEYS[2], string.format('%.3f', turn), 'EX', math.ceil(2 * ARGV[3]) + 1)
return 0
