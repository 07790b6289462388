#!lua
-- Puts entries of an export behind a head that is as expected, byte by byte as they were, and moves
-- the head. All or nothing, as append.lua.
-- KEYS 1 head (hash)  2 events (stream)  3 feed  4 index  5 index of the erased; or of a CRDT: 1 hash
--      2 deltas alone
-- ARGV 1 entity id  2 expected sequence, '0' when there is nothing  3 expected tag
--      4 n, then n * (field, value) of the head  then m, then m * (sequence, k, k names and values)
--      then f, then f * (last sequence, number of events) of the feed
-- Returns {'OK'} | {'CONFLICT', sequence, tag}
local h = redis.call('HMGET', KEYS[1], 's', 'g', 'x')
local s, g = h[1] or '0', h[2] or ''
if s ~= ARGV[2] or g ~= ARGV[3] or h[3] then return {'CONFLICT', s, g} end
redis.call('XLEN', KEYS[2])
if KEYS[3] then
  redis.call('XLEN', KEYS[3])
  redis.call('ZCARD', KEYS[4])
  redis.call('ZCARD', KEYS[5])
end
local n = tonumber(ARGV[4])
local j = 5 + 2 * n
local m = tonumber(ARGV[j])
j = j + 1
for _ = 1, m do
  local k = tonumber(ARGV[j + 1])
  redis.call('XADD', KEYS[2], ARGV[j] .. '-0', unpack(ARGV, j + 2, j + 1 + k))
  j = j + 2 + k
end
for i = 0, n - 1 do redis.call('HSET', KEYS[1], ARGV[5 + 2 * i], ARGV[6 + 2 * i]) end
if KEYS[3] then
  local is_erased = redis.call('HEXISTS', KEYS[1], 'x') == 1
  redis.call('ZADD', is_erased and KEYS[5] or KEYS[4], 0, ARGV[1])
  if is_erased then redis.call('ZREM', KEYS[4], ARGV[1]) end
  for _ = 1, tonumber(ARGV[j]) do
    redis.call('XADD', KEYS[3], '0-*', 'e', ARGV[1], 's', ARGV[j + 1], 'n', ARGV[j + 2])
    j = j + 2
  end
end
return {'OK'}
