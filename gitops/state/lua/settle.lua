-- The end of a comparison: what was compared is noted, in one call with the question whether more came meanwhile.
-- KEYS: observed hash, compared hash, app hash.
-- ARGV: dirty as read at the start, what stands before the keys of this cluster's objects ("" for the control cluster, whose
-- keys hold no blank), then (object key, note) pairs; a note is "<rv>|…", "" forgets the object.
-- Returns 1 where the watcher saw something newer than what was compared, else 0.
for at = 3, #ARGV, 2 do
  if ARGV[at + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[at])
    local seen = redis.call('HGET', KEYS[1], ARGV[at])
    if seen and string.sub(seen, 1, 1) == '-' then redis.call('HDEL', KEYS[1], ARGV[at]) end
  else
    redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
  end
end
local dirty = redis.call('HGET', KEYS[3], 'dirty') or '0'
if dirty ~= ARGV[1] then
  -- What is there and not noted counts too: an operation may wait for a hook that another worker made.
  local observed, place = redis.call('HGETALL', KEYS[1]), ARGV[2] ~= '' and ARGV[2] or nil
  for at = 1, #observed, 2 do
    if string.match(observed[at], '^%S+ ') == place then
      local note = redis.call('HGET', KEYS[2], observed[at])
      local noted = tonumber(note and string.match(note, '^%d+') or '0')
      if math.abs(tonumber(observed[at + 1])) > noted then return 1 end
    end
  end
end
redis.call('HSET', KEYS[3], 'seen', dirty)
redis.call('HDEL', KEYS[3], 'heard')
return 0
