#!lua
-- Compares a value entity's head with what the caller expects; when equal replaces or deletes its
-- state, moves the head and adds one pointer to the feed. All or nothing, as append.lua.
-- KEYS 1 head (hash)  2 feed (stream)  3 index (sorted set); one hash tag
-- ARGV 1 entity id  2 expected sequence  3 expected tag ('' at sequence 0)  4 this attempt's tag
--      5 command id  6 fingerprint and idempotency key ('' without)  7 reply
--      8 type URL and 9 payload of the state; without them it is deleted
-- Returns what append.lua returns; {'KIND', sequence, tag} when the head is not a value entity's.
local h = redis.call('HMGET', KEYS[1], 's', 'g', 'x', 'v', 'd')
local s, g = h[1] or '0', h[2] or ''
if h[3] then return {'ERASED', s, g} end
if h[1] and not h[4] then return {'KIND', s, g} end
local d = h[5] or '\0'
local n = string.byte(d)
if s ~= ARGV[2] or g ~= ARGV[3] then
  -- A DUP writes what is there, so that a WAIT behind it speaks of that write too.
  if g == ARGV[4] then
    redis.call('HSET', KEYS[1], 'g', g)
    return {'DUP', s, g, g}
  end
  local at = 2
  for i = 1, n do
    if string.sub(d, at + 4, at + 19) == ARGV[5] then
      redis.call('HSET', KEYS[1], 'g', g)
      return {'DUP', s, g, string.sub(d, at + 20, at + 35)}
    end
    at = at + 4 + struct.unpack('>I4', d, at)
  end
  return {'CONFLICT', s, g}
end
redis.call('XLEN', KEYS[2])
redis.call('ZCARD', KEYS[3])
-- The oldest goes when there are 32: its place begins behind the count.
local from = 2
if n == 32 then from, n = 6 + struct.unpack('>I4', d, 2), 31 end
local rest = ''
if ARGV[6] ~= '' then rest = struct.pack('>I2', #ARGV[6]) .. ARGV[6] .. ARGV[7] end
d = string.char(n + 1) .. string.sub(d, from) .. struct.pack('>I4', 32 + #rest) .. ARGV[5] .. ARGV[4] .. rest
local ns = string.format('%.0f', tonumber(s) + 1)
if ARGV[8] then
  redis.call('HSET', KEYS[1], 's', ns, 'g', ARGV[4], 'v', '1', 'd', d, 'zt', ARGV[8], 'zp', ARGV[9])
else
  redis.call('HSET', KEYS[1], 's', ns, 'g', ARGV[4], 'v', '1', 'd', d)
  redis.call('HDEL', KEYS[1], 'zt', 'zp')
end
if s == '0' then redis.call('ZADD', KEYS[3], 0, ARGV[1]) end
return {'OK', ns, ARGV[4], redis.call('XADD', KEYS[2], '0-*', 'e', ARGV[1], 's', ns, 'n', '0')}
