#!lua
-- The secret that the gateways of a namespace share, made by whoever asks first.
-- KEYS 1 meta (hash)
-- ARGV 1 a secret, should there be none
-- Returns it, or nil when there is no journal (any more): then none is made.
if redis.call('HEXISTS', KEYS[1], 'created') == 0 then
  return nil
end
redis.call('HSETNX', KEYS[1], 'secret', ARGV[1])
return redis.call('HGET', KEYS[1], 'secret')
