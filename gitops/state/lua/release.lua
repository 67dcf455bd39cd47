-- KEYS: lock, app hash, then for each task of the lane its normal and urgent list.
-- ARGV: token, then for each task of the lane: task, id, payload.
-- Frees the lock if it is still ours, and publishes each task that was wished for while it was held.
-- Returns how many were published, or -1 where the lock was lost.
local held = redis.call('GET', KEYS[1])
if not held or string.match(held, '^%d+') ~= ARGV[1] then return -1 end
redis.call('DEL', KEYS[1])
local published, key = 0, 3
-- What the watcher told of while the lock was held and nobody looked at since: the operation goes on, or is compared.
local heard = ''
for at = 2, #ARGV, 3 do
  if ARGV[at] == 'apply' and redis.call('HDEL', KEYS[2], 'heard') == 1 then
    heard = redis.call('HEXISTS', KEYS[2], 'op') == 1 and 'apply' or 'diff'
  end
end
for at = 2, #ARGV, 3 do
  local task = ARGV[at]
  local again = redis.call('HDEL', KEYS[2], 'again:' .. task) == 1
  -- What waits already, an operation that goes on after its turn, keeps its place in the queue.
  local waits = redis.call('HEXISTS', KEYS[2], 'pend:' .. task) == 1
  if again or task == heard and not waits then
    published = published + publish(KEYS[2], task, '1', ARGV[at + 1], ARGV[at + 2], KEYS[key], KEYS[key + 1])
  end
  key = key + 2
end
return published
