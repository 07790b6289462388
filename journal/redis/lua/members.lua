#!lua flags=allow-oom
-- A heartbeat: forgets who was silent, writes what a member says of itself, and reads everybody. All
-- by Redis's clock. An entry is "address|incarnation|state", its score the time of the last heartbeat.
-- KEYS 1 members (sorted set)  2 version of the view (string)
-- ARGV 1 address  2 incarnation  3 state, '' leaves  4 TTL in ms  5 members at most
--      6 version the caller knows  7 '1': whoever else has the address is dead for certain
-- Returns {'OK' | 'BUSY' (another incarnation lives under the address) | 'FULL', version,
--      the entries, or nil when the caller knows this version}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ttl = tonumber(ARGV[4])
local version = tonumber(redis.call('GET', KEYS[2]) or '0')
-- Those of the future are of a clock that was set back.
local gone = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ttl))
  + redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('%.0f', now + ttl), '+inf')
local place, me = ARGV[1] .. '|', ARGV[1] .. '|' .. ARGV[2] .. '|'
local result, is_there, is_changed, others = 'OK', false, gone > 0, 0
for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if entry:sub(1, #place) ~= place then
    others = others + 1
  elseif entry:sub(1, #me) ~= me and ARGV[7] ~= '1' then
    result = 'BUSY'
  elseif entry == me .. ARGV[3] then
    is_there = true
  else
    redis.call('ZREM', KEYS[1], entry)
    is_changed = true
  end
end
if result == 'OK' and ARGV[3] ~= '' then
  if others >= tonumber(ARGV[5]) then
    result = 'FULL'
  else
    redis.call('ZADD', KEYS[1], string.format('%.0f', now), me .. ARGV[3])
    is_changed = is_changed or not is_there
  end
end
if is_changed then
  -- By the clock, so that it grows even when Redis lost its memory.
  version = math.max(version + 1, now)
  redis.call('SET', KEYS[2], string.format('%.0f', version))
end
local known = string.format('%.0f', version)
return {result, known, known ~= ARGV[6] and redis.call('ZRANGE', KEYS[1], 0, -1)}
