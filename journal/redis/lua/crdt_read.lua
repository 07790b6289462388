#!lua flags=no-writes
-- The merged state if it is newer than what the caller has, then deltas, as many as fit. To a caller
-- with something of another generation all of it is new.
-- KEYS 1 state (hash)  2 deltas (stream); one hash tag
-- ARGV 1 position the caller has  2 deltas at most  3 bytes at most; one delta always fits
--      4 generation of what the caller has
-- Returns {'OK', last position, position of the last one given, state or nil, {delta...},
--      generation} |
--      {'ERASED', position} | {'GAP', position that is missing}
local h = redis.call('HMGET', KEYS[1], 's', 'zs', 'x', 'n')
if h[3] then return {'ERASED', h[1]} end
local s, zs, at = tonumber(h[1] or '0'), tonumber(h[2] or '0'), tonumber(ARGV[1])
local max, left = tonumber(ARGV[2]), tonumber(ARGV[3])
local state, deltas, is_full = false, {}, false
local n = h[4] or '0'
if at > s or n ~= ARGV[4] then at = 0 end
if zs > at then
  state, at = redis.call('HGET', KEYS[1], 'zp'), zs
  left = left - #state
  is_full = left <= 0
end
while at < s and #deltas < max and not is_full do
  -- Few at a time: each may have 4 MiB.
  local entries = redis.call('XRANGE', KEYS[2], string.format('(%.0f-0', at), '+', 'COUNT',
    math.min(16, max - #deltas))
  if not entries[1] then return {'GAP', string.format('%.0f', at + 1)} end
  for _, entry in ipairs(entries) do
    local delta = entry[2][4]
    if entry[1] ~= string.format('%.0f-0', at + 1) then
      return {'GAP', string.format('%.0f', at + 1)}
    end
    left = left - #delta
    is_full = left < 0
    if is_full and deltas[1] then break end
    deltas[#deltas + 1] = delta
    at = at + 1
  end
end
return {'OK', h[1] or '0', string.format('%.0f', at), state, deltas, n}
