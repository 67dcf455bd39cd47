-- KEYS: parked zset, workers set. ARGV: what the keys of a worker's hash of running messages, and of its sign of life,
--       begin with.
-- An operation under way is in the zset too, with the time at which it is woken should its worker be lost.
-- Returns how many operations wait, and how many a worker moves on at this moment.
local moving, running = {}, 0
for _, worker in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local lives = redis.call('EXISTS', ARGV[2] .. worker) == 1
  for _, entry in ipairs(lives and redis.call('HVALS', ARGV[1] .. worker) or {}) do
    local task, app = string.match(entry, '^(%a+)|(.*)$')
    if (task == 'apply' or task == 'diff') and not moving[app] and redis.call('ZSCORE', KEYS[1], app) then
      moving[app] = true
      running = running + 1
    end
  end
end
return {redis.call('ZCARD', KEYS[1]) - running, running}
