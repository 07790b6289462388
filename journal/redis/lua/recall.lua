#!lua
-- What was kept of one command, and the proof that the head is the one the caller knows.
-- KEYS 1 head (hash)  2 events (stream), not of a value entity; one hash tag
-- ARGV 1 sequence and 2 tag of the head  3 command id  4 sequence of its last event, or its write
-- Returns {'OK', k, r} ('' both without a key) | {'CONFLICT'} | {'ERASED'}
local h = redis.call('HMGET', KEYS[1], 's', 'g', 'x')
if h[3] then return {'ERASED'} end
if h[1] ~= ARGV[1] or h[2] ~= ARGV[2] then return {'CONFLICT'} end
if not KEYS[2] then
  local d = redis.call('HGET', KEYS[1], 'd') or '\0'
  local at = 2
  for i = 1, string.byte(d) do
    local len = struct.unpack('>I4', d, at)
    if string.sub(d, at + 4, at + 19) == ARGV[3] then
      if len == 32 then return {'OK', '', ''} end
      local size = struct.unpack('>I2', d, at + 36)
      return {'OK', string.sub(d, at + 38, at + 37 + size),
        string.sub(d, at + 38 + size, at + 3 + len)}
    end
    at = at + 4 + len
  end
  return {'CONFLICT'}
end
local e = redis.call('XRANGE', KEYS[2], ARGV[4] .. '-0', ARGV[4] .. '-0')
local f = e[1] and e[1][2]
if not f or f[2] ~= ARGV[3] then return {'CONFLICT'} end
local k, r = '', ''
for i = 11, #f, 2 do
  if f[i] == 'k' then k = f[i + 1] elseif f[i] == 'r' then r = f[i + 1] end
end
return {'OK', k, r}
