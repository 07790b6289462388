#!lua flags=no-writes
-- Is what was acknowledged still there?
-- KEYS 1 feed (stream)  2 head (hash)  3 events (stream), not of a value entity; without 2 and 3
--      only the newest position is told; one hash tag
-- ARGV 1 position in the feed  2 entity id  3 sequence  4 tag of the append or put
-- Returns {newest position, '1' or '0'}. What was trimmed or erased on purpose is there.
local top = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local newest = top[1] and string.match(top[1][1], '%d+$') or '0'
if tonumber(newest) < tonumber(ARGV[1]) then return {newest, '0'} end
if not KEYS[2] then return {newest, '1'} end
local id = '0-' .. ARGV[1]
local at = redis.call('XRANGE', KEYS[1], id, id)
local f = at[1] and at[1][2]
if f and (f[2] ~= ARGV[2] or f[4] ~= ARGV[3]) then return {newest, '0'} end
local h = redis.call('HMGET', KEYS[2], 's', 'g', 'x')
local is = true
if h[3] then
  is = true
elseif tonumber(h[1] or '0') < tonumber(ARGV[3]) then
  is = false
elseif h[1] == ARGV[3] then
  is = h[2] == ARGV[4]
elseif KEYS[3] then
  local e = redis.call('XRANGE', KEYS[3], ARGV[3] .. '-0', ARGV[3] .. '-0')
  is = not e[1] or e[1][2][4] == ARGV[4]
end
return {newest, is and '1' or '0'}
