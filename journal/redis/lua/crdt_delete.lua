#!lua
-- Removes state and deltas and leaves a tombstone, whose position is the next one. Again: only the
-- news goes out once more, for somebody may wait for its acknowledgement.
-- KEYS 1 state (hash)  2 deltas (stream); one hash tag
-- ARGV 1 wall clock ms  2 channel  3 news before and  4 after the position
-- Returns {'OK', position of the deletion}
local h = redis.call('HMGET', KEYS[1], 's', 'x')
redis.call('XLEN', KEYS[2])
local s = h[1] or '0'
if not h[2] then s = string.format('%.0f', tonumber(s) + 1) end
redis.call('PUBLISH', ARGV[2], ARGV[3] .. s .. ARGV[4])
if not h[2] then
  redis.call('HSET', KEYS[1], 's', s, 'x', ARGV[1])
  redis.call('HDEL', KEYS[1], 'zs', 'zp', 'zw', 'n')
  redis.call('UNLINK', KEYS[2])
else
  redis.call('HSET', KEYS[1], 's', s) -- a WAIT behind it speaks of the deletion
end
return {'OK', s}
