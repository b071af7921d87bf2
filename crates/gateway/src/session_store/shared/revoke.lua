-- Ends a session everywhere: those that listen hear it, the others read it.
local session, streams, revoked, channel = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local now, entry, forget = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
-- Of which nothing is known, too.
redis.call('HSET', session, 'ended', 'revoked')
redis.call('EXPIRE', session, math.max(tonumber(ARGV[5]) - now, 0) + 60)
redis.call('DEL', streams)
redis.call('ZREMRANGEBYSCORE', revoked, '-inf', '(' .. (now - forget))
redis.call('ZADD', revoked, now, entry)
redis.call('PUBLISH', channel, entry)
return redis.status_reply('OK')
