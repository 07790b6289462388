#!lua flags=no-writes
-- One event of an entity, or why there is none.
-- KEYS 1 events (stream)  2 head (hash); one hash tag
-- ARGV 1 sequence, 0: there is no event
-- Returns {{id, fields}} | {'ERASED'} | {'STATE'} | {'TRIMMED'}
if ARGV[1] ~= '0' then
  local id = ARGV[1] .. '-0'
  local event = redis.call('XRANGE', KEYS[1], id, id)
  if event[1] then return event end
end
if redis.call('HEXISTS', KEYS[2], 'x') == 1 then return {'ERASED'} end
return {ARGV[1] == '0' and 'STATE' or 'TRIMMED'}
