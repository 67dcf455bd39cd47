-- Included at the head of every script that publishes.
-- publish(app, task, rank, id, payload, normal, urgent, alive): one message per (task, application) waits at the most.
--   app      the application's hash; its field `pend:<task>` is "<rank>|<id>" of the waiting message
--   rank     "0" poll, "1" drift, "2" webhook, "3" a person; 0 waits in the normal list, others in the urgent one,
--            and 3 goes to the end that is served next
--   returns  1 where a message was pushed, 0 where the wish joined the one that waits already
-- A waiting message is moved up, never doubled, when a more urgent wish comes. One that is nowhere any more was lost on
-- its way to a worker (the broker gives it away before the worker can say that it has it), and is sent anew.
-- The hash of counters lies beside the lists, under the same prefix; it has one field for each queue and each task. So
-- does kombu's hash of the messages that workers have taken.
local function publish(app, task, rank, id, payload, normal, urgent)
  local field = 'pend:' .. task
  local prefix = string.sub(normal, 1, -#task - 1)
  local counters = prefix .. 'counters'
  local pend = redis.call('HGET', app, field)
  if pend and redis.call('LLEN', normal) + redis.call('LLEN', urgent) + redis.call('HLEN', prefix .. 'unacked') > 0 then
    local waiting_rank, waiting_id = string.match(pend, '^(%d)|(.*)$')
    if tonumber(waiting_rank) >= tonumber(rank) then
      redis.call('HINCRBY', counters, 'coalesced:' .. task, 1)
      return 0
    end
    local list = normal
    if waiting_rank ~= '0' then list = urgent end
    local found = false
    for start = 0, redis.call('LLEN', list) - 1, 200 do
      for _, message in ipairs(redis.call('LRANGE', list, start, start + 199)) do
        if string.find(message, waiting_id, 1, true) then
          redis.call('LREM', list, 1, message)
          found = true
          break
        end
      end
      if found then break end
    end
    -- Not in the list: a worker has just taken it and will see this wish in its marker being replaced.
  end
  redis.call('HSET', app, field, rank .. '|' .. id)
  redis.call('HINCRBY', counters, 'published:' .. task .. (rank == '0' and '' or '-urgent'), 1)
  if rank == '3' then redis.call('RPUSH', urgent, payload)
  elseif rank == '0' then redis.call('LPUSH', normal, payload)
  else redis.call('LPUSH', urgent, payload) end
  return 1
end
