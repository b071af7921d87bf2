-- Ends a session everywhere: those that listen hear it, the others read it.
-- `of_list` of lists.lua comes before it.
local session, streams, revoked, channel = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local now, entry, forget = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
-- A session of which nothing is known is ended, too, and one whose record is broken.
if redis.call('TYPE', session).ok ~= 'hash' then redis.call('DEL', session) end
redis.call('HSET', session, 'ended', 'revoked')
redis.call('EXPIRE', session, math.max(tonumber(ARGV[5]) - now, 0) + 60)
redis.call('DEL', streams)
redis.call('PUBLISH', channel, entry)
of_list('ZREMRANGEBYSCORE', revoked, '-inf', '(' .. (now - forget))
of_list('ZADD', revoked, now, entry)
return redis.status_reply('OK')
