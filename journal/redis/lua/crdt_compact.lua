#!lua
-- Puts a merged state in the place of the deltas it was made of.
-- KEYS 1 state (hash)  2 deltas (stream); one hash tag
-- ARGV 1 position: the state has all deltas up to it  2 state  3 wall clock ms
-- Returns {'OK', position of the state that is there now} | {'ERASED', position} |
--      {'BEYOND', last position}: the state stands for deltas that are not here
local h = redis.call('HMGET', KEYS[1], 's', 'zs', 'x')
redis.call('XLEN', KEYS[2])
local s, zs, at = tonumber(h[1] or '0'), tonumber(h[2] or '0'), tonumber(ARGV[1])
if h[3] then return {'ERASED', h[1]} end
if at > s then return {'BEYOND', h[1] or '0'} end
if at <= zs then return {'OK', h[2] or '0'} end
redis.call('HSET', KEYS[1], 'zs', ARGV[1], 'zp', ARGV[2], 'zw', ARGV[3])
if at == s then
  -- An empty stream would cost more than none; the next id stands in the hash.
  redis.call('UNLINK', KEYS[2])
else
  redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', at + 1))
end
return {'OK', ARGV[1]}
