#!lua flags=allow-oom
-- Reads a head, and writes behind it on the same connection: what a WAIT then says of that write it
-- says of everything that was read. The write is beside the head, not in it.
-- KEYS 1 head (hash)  2 claim of the partition (string)
-- ARGV 1 incarnation of the gateway, then the fields
-- Returns the fields' values, nil for those that are not there
local h = redis.call('HMGET', KEYS[1], unpack(ARGV, 2))
redis.call('SET', KEYS[2], ARGV[1])
return h
