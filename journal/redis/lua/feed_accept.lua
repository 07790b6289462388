#!lua
-- Puts a consumer's checkpoint behind the newest entry that a stream has now.
-- KEYS 1 stream: a feed or a topic  2 offsets (hash); one hash tag
-- ARGV 1 field of the checkpoint
-- Returns the newest id or ''.
local top = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local head = top[1] and top[1][1] or ''
redis.call('HSET', KEYS[2], ARGV[1], head == '' and '0' or string.sub(head, 3))
redis.call('HDEL', KEYS[2], ARGV[1] .. '!')
return head
