#!lua
-- The commands behind an entity's events, or behind a value entity's writes; payloads stay here.
-- KEYS 1 head (hash)  2 events (stream), not of a value entity; one hash tag
-- ARGV 1 first and 2 last sequence that are wanted (a value entity has what it has)
--      3 events and 4 bytes of them that are enough for one time
-- Returns {next sequence, or past the last; then command id, sequence, k without its key ('' for
--      none) of each}, ascending; a command of several events shows once here, at its last
local out = {'0'}
local function put(c, s, k)
  if out[#out - 2] == c then
    out[#out - 1], out[#out] = s, k
  else
    out[#out + 1], out[#out + 2], out[#out + 3] = c, s, k
  end
end
if not KEYS[2] then
  local h = redis.call('HMGET', KEYS[1], 's', 'd', 'v')
  local d = h[3] and h[2] or '\0'
  local n, at = string.byte(d), 2
  for i = 1, n do
    local len, k = struct.unpack('>I4', d, at), ''
    -- behind the length: command, tag, length of k, fingerprint
    if len > 32 then k = string.sub(d, at + 38, at + 53) end
    put(string.sub(d, at + 4, at + 19), string.format('%.0f', tonumber(h[1]) - n + i), k)
    at = at + 4 + len
  end
  out[1] = string.format('%.0f', tonumber(ARGV[2]) + 1)
  return out
end
local from, last, count, bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), 0, 0
while from <= last and count < tonumber(ARGV[3]) and bytes < tonumber(ARGV[4]) do
  -- few at once: all that is asked for comes into this interpreter's memory
  local es = redis.call('XRANGE', KEYS[2], string.format('%.0f-0', from),
    string.format('%.0f-0', last), 'COUNT', '16')
  if #es == 0 then from = last + 1 end
  for _, e in ipairs(es) do
    local f, k = e[2], ''
    local s = string.match(e[1], '^%d+')
    for i = 11, #f, 2 do
      if f[i] == 'k' then k = string.sub(f[i + 1], 1, 16) end
    end
    put(f[2], s, k)
    count, bytes, from = count + 1, bytes + #f[10], tonumber(s) + 1
  end
end
out[1] = string.format('%.0f', from)
return out
