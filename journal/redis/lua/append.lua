#!lua
-- Compares an entity's head with what the caller expects; when equal appends n events, moves the
-- head, replaces the snapshot if there is one and adds one pointer to the feed. All or nothing:
-- whatever may fail is touched before the first write, for an error does not undo writes.
-- KEYS 1 head (hash)  2 events (stream)  3 feed (stream)  4 index (sorted set); one hash tag
-- ARGV 1 entity id  2 expected sequence  3 expected tag ('' at sequence 0)  4 this attempt's tag
--      5 command id  6 wall clock ms  7 fingerprint and idempotency key ('' without)  8 reply
--      9 n, then n * (type URL, payload), then, only with a snapshot, its type URL and payload
-- Returns {'OK', sequence, tag, feed id} | {'DUP', sequence, tag, tag of the event that is there} |
--      {'CONFLICT', sequence, tag} | {'ERASED', sequence, tag} | {'KIND', sequence, tag} when the
--      head is a value entity's; sequence and tag are the head's.
local h = redis.call('HMGET', KEYS[1], 's', 'g', 'x', 'v')
local s, g = h[1] or '0', h[2] or ''
if h[3] then return {'ERASED', s, g} end
if h[4] then return {'KIND', s, g} end
if s ~= ARGV[2] or g ~= ARGV[3] then
  -- Enough to look at one event: had my command landed later, I would have been loaded with it.
  local id = string.format('%.0f-0', tonumber(ARGV[2]) + 1)
  local e = redis.call('XRANGE', KEYS[2], id, id)
  local f = e[1] and e[1][2]
  if f and f[2] == ARGV[5] then
    -- Changes nothing, but is a write: a WAIT behind it speaks of that event too, whose own write
    -- may have come over another connection.
    redis.call('HSET', KEYS[1], 'g', g)
    return {'DUP', s, g, f[4]}
  end
  return {'CONFLICT', s, g}
end
redis.call('XLEN', KEYS[3])
redis.call('ZCARD', KEYS[4])
local base, n, j = tonumber(s), tonumber(ARGV[9]), 10
for i = 1, n do
  local id = string.format('%.0f-0', base + i)
  if i < n or ARGV[7] == '' then
    redis.call('XADD', KEYS[2], id, 'c', ARGV[5], 'g', ARGV[4], 'w', ARGV[6], 't', ARGV[j],
      'p', ARGV[j + 1])
  else
    redis.call('XADD', KEYS[2], id, 'c', ARGV[5], 'g', ARGV[4], 'w', ARGV[6], 't', ARGV[j],
      'p', ARGV[j + 1], 'k', ARGV[7], 'r', ARGV[8])
  end
  j = j + 2
end
local ns = string.format('%.0f', base + n)
if ARGV[j] then
  redis.call('HSET', KEYS[1], 's', ns, 'g', ARGV[4], 'zs', ns, 'zt', ARGV[j], 'zp', ARGV[j + 1],
    'zw', ARGV[6])
else
  redis.call('HSET', KEYS[1], 's', ns, 'g', ARGV[4])
end
if base == 0 then redis.call('ZADD', KEYS[4], 0, ARGV[1]) end
return {'OK', ns, ARGV[4], redis.call('XADD', KEYS[3], '0-*', 'e', ARGV[1], 's', ns, 'n', ARGV[9])}
