#!lua
-- Removes the events before a sequence, which a snapshot must stand for.
-- KEYS 1 head (hash)  2 events (stream)
-- ARGV 1 first sequence that stays
-- Returns {'OK', number removed} | {'SNAPSHOT', its sequence} | {'ERASED'} | {'KIND'} | {'NONE'}
local h = redis.call('HMGET', KEYS[1], 's', 'zs', 'x', 'v', 'b')
if not h[1] then return {'NONE'} end
if h[3] then return {'ERASED'} end
if h[4] then return {'KIND'} end
redis.call('XLEN', KEYS[2])
local first = tonumber(ARGV[1])
if first > tonumber(h[2] or '0') + 1 then return {'SNAPSHOT', h[2] or '0'} end
if first <= tonumber(h[5] or '1') then return {'OK', 0} end
local n = redis.call('XTRIM', KEYS[2], 'MINID', ARGV[1] .. '-0')
redis.call('HSET', KEYS[1], 'b', ARGV[1])
return {'OK', n}
