#!lua
-- Puts a merged state in the place of the deltas it was made of. One that was written anew begins the
-- next generation, and must stand for all deltas there are.
-- KEYS 1 state (hash)  2 deltas (stream); one hash tag
-- ARGV 1 position: the state has all deltas up to it  2 state  3 wall clock ms  4 generation of its
--      deltas  5 generation from now on
-- Returns {'OK', position of the state that is there now} | {'ERASED', position} |
--      {'BEYOND', last position}: the state stands for deltas that are not here |
--      {'STALE', last position}: of another generation, or written anew without the last deltas
local h = redis.call('HMGET', KEYS[1], 's', 'zs', 'x', 'n')
redis.call('XLEN', KEYS[2])
local s, zs, at = tonumber(h[1] or '0'), tonumber(h[2] or '0'), tonumber(ARGV[1])
if h[3] then return {'ERASED', h[1]} end
local n, is_anew = h[4] or '0', ARGV[4] ~= ARGV[5]
if is_anew and n == ARGV[5] then return {'OK', h[2] or '0'} end
if n ~= ARGV[4] then return {'STALE', h[1] or '0'} end
if at > s then return {'BEYOND', h[1] or '0'} end
if is_anew and at < s then return {'STALE', h[1] or '0'} end
if not is_anew and at <= zs then return {'OK', h[2] or '0'} end
redis.call('HSET', KEYS[1], 'zs', ARGV[1], 'zp', ARGV[2], 'zw', ARGV[3])
if is_anew then redis.call('HSET', KEYS[1], 'n', ARGV[5]) end
if at == s then
  -- An empty stream would cost more than none; the next id stands in the hash.
  redis.call('UNLINK', KEYS[2])
else
  redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', at + 1))
end
return {'OK', ARGV[1]}
