#!lua
-- Gives a delta the next position, and tells everybody. Nobody hears of it before it is durable, for
-- Redis writes its file before it sends anything. The news goes first, because it may be refused
-- (rights on the channel) and an error does not undo writes.
-- KEYS 1 state (hash)  2 deltas (stream); one hash tag
-- ARGV 1 delta  2 its generation  3 wall clock ms  4 channel  5 news before and  6 after the position
-- Returns {'OK', position} | {'ERASED', position of the deletion} | {'STALE', last position}
local h = redis.call('HMGET', KEYS[1], 's', 'x', 'n')
redis.call('XLEN', KEYS[2])
if h[2] then return {'ERASED', h[1]} end
if (h[3] or '0') ~= ARGV[2] then return {'STALE', h[1] or '0'} end
local s = string.format('%.0f', tonumber(h[1] or '0') + 1)
redis.call('PUBLISH', ARGV[4], ARGV[5] .. s .. ARGV[6])
redis.call('XADD', KEYS[2], s .. '-0', 'w', ARGV[3], 'p', ARGV[1])
redis.call('HSET', KEYS[1], 's', s)
return {'OK', s}
