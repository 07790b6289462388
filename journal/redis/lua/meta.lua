#!lua flags=allow-oom
-- Reads what the journal was created with, and creates it if asked. It writes the time even when the
-- journal is there: what a read-only replica or a full disk cannot take must show now, and not with
-- the first append.
-- KEYS 1 meta (hash)
-- ARGV 1 format version  2 partitions  3 creation id, '' when it may not be created  4 wall clock ms
-- Returns {version, partitions, creation id}, the journal's own, with nils when there is none.
if ARGV[3] ~= '' then
  redis.call('HSETNX', KEYS[1], 'version', ARGV[1])
  redis.call('HSETNX', KEYS[1], 'partitions', ARGV[2])
  redis.call('HSETNX', KEYS[1], 'created', ARGV[3])
end
if redis.call('HEXISTS', KEYS[1], 'created') == 1 then
  redis.call('HSET', KEYS[1], 'opened', ARGV[4])
end
return redis.call('HMGET', KEYS[1], 'version', 'partitions', 'created')
