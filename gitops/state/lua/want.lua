-- KEYS: app hash, normal list, urgent list. ARGV: task, rank, id, payload. Returns 1 published, 0 coalesced.
return publish(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], KEYS[2], KEYS[3])
