#!lua
-- Puts the indexes right by the head, and adds what the feed lacks.
-- KEYS 1 head (hash)  2 feed  3 index  4 index of the erased
-- ARGV 1 entity id  2 f, then f * (last sequence, number of events)
-- Returns {'OK'}
local h = redis.call('HMGET', KEYS[1], 's', 'x')
redis.call('XLEN', KEYS[2])
redis.call('ZCARD', KEYS[3])
redis.call('ZCARD', KEYS[4])
if h[1] and not h[2] then
  redis.call('ZADD', KEYS[3], 0, ARGV[1])
else
  redis.call('ZREM', KEYS[3], ARGV[1])
end
if h[1] and h[2] then
  redis.call('ZADD', KEYS[4], 0, ARGV[1])
else
  redis.call('ZREM', KEYS[4], ARGV[1])
end
for i = 1, tonumber(ARGV[2]) do
  redis.call('XADD', KEYS[2], '0-*', 'e', ARGV[1], 's', ARGV[2 * i + 1], 'n', ARGV[2 * i + 2])
end
return {'OK'}
