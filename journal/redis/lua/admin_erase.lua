#!lua
-- Removes all that is stored of an entity but its sequence and tag, which with x keep appends of
-- before from taking effect, and tells the feed. All or nothing, as append.lua.
-- KEYS 1 head (hash)  2 events (stream)  3 feed  4 index  5 index of the erased
-- ARGV 1 entity id  2 expected sequence  3 expected tag  4 wall clock ms  5 reason
-- Returns {'OK'} | {'ERASED', s, g} | {'CONFLICT', s, g} | {'NONE'}
local h = redis.call('HMGET', KEYS[1], 's', 'g', 'x')
if not h[1] then return {'NONE'} end
if h[3] then return {'ERASED', h[1], h[2]} end
if h[1] ~= ARGV[2] or h[2] ~= ARGV[3] then return {'CONFLICT', h[1], h[2]} end
redis.call('XLEN', KEYS[2])
redis.call('XLEN', KEYS[3])
redis.call('ZCARD', KEYS[4])
redis.call('ZCARD', KEYS[5])
redis.call('UNLINK', KEYS[2])
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if name ~= 's' and name ~= 'g' and name ~= 'v' then redis.call('HDEL', KEYS[1], name) end
end
redis.call('HSET', KEYS[1], 'x', ARGV[4], 'xr', ARGV[5])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZADD', KEYS[5], 0, ARGV[1])
redis.call('XADD', KEYS[3], '0-*', 'e', ARGV[1], 's', h[1], 'n', '0', 'op', 'erase')
return {'OK'}
