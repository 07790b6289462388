#!lua flags=no-writes
-- Entries of a stream with ids 0-<position> after a position, and what tells whether the reader
-- still knows this stream: the newest id, and the entry at its position.
-- KEYS 1 stream: a feed or a topic
-- ARGV 1 position, 0: from the beginning  2 at most so many entries
-- Returns {newest id or '', fields of the entry at the position or {}, {{id, fields}...}}; without
--      the field 'data' of topics, which is read when its turn comes.
local function strip(fields)
  local kept = {}
  for i = 1, #fields, 2 do
    if fields[i] ~= 'data' then
      kept[#kept + 1] = fields[i]
      kept[#kept + 1] = fields[i + 1]
    end
  end
  return kept
end
local top = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local head, id, known, page = top[1] and top[1][1] or '', '0-' .. ARGV[1], {}, {}
if ARGV[1] ~= '0' then
  local at = redis.call('XRANGE', KEYS[1], id, id)
  if at[1] then known = strip(at[1][2]) end
end
if head ~= id then
  for i, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. id, '+', 'COUNT', ARGV[2])) do
    page[i] = {entry[1], strip(entry[2])}
  end
end
return {head, known, page}
