-- One session is seen: learns what is known of it, and counts a stream of it if that may play.
-- All in one call, so that two replicas never both let the last stream in.
-- `of_list` of lists.lua comes before it.
local session, streams, all, ends = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, id, stream, begins = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4] == '1'
local opened, user, expires = ARGV[5], ARGV[6], tonumber(ARGV[7])
local stream_secs, idle_secs = tonumber(ARGV[8]), tonumber(ARGV[9])
local session_max, user_max, of_user = tonumber(ARGV[10]), tonumber(ARGV[11]), ARGV[12]
local rules_max, plays_of_user = tonumber(ARGV[13]), ARGV[14]

local known = redis.call('HMGET', session, 'opened', 'created', 'last', 'ended', 'user', 'max', 'expires')
local created, last, ended = tonumber(known[2]) or now, tonumber(known[3]) or now, known[4] or ''
if begins and ended == 'idle' then ended = '' end
if known[1] and not begins then
  opened, user, session_max, expires = known[1], known[5], tonumber(known[6]), tonumber(known[7])
end
-- A list that was lost is whole again when its sessions were seen.
local is_listed = known[1] and of_list('ZSCORE', all, id)
  and of_list('ZSCORE', ends, id .. ':' .. user)
  and (user == '' or of_list('ZSCORE', of_user .. user, id))
if begins or not is_listed then
  of_list('ZADD', all, 0, id)
  of_list('ZADD', ends, expires, id .. ':' .. user)
  -- What is over leaves the lists as others enter them.
  for _, over in ipairs(of_list('ZRANGEBYSCORE', ends, '-inf', '(' .. now, 'LIMIT', 0, 16)) do
    local at = string.find(over, ':', 1, true) or #over + 1
    local id_over, its_user = string.sub(over, 1, at - 1), string.sub(over, at + 1)
    of_list('ZREM', all, id_over)
    of_list('ZREM', ends, over)
    if its_user ~= '' then of_list('ZREM', of_user .. its_user, id_over) end
  end
  if user ~= '' then
    of_list('ZADD', of_user .. user, 0, id)
    redis.call('EXPIRE', of_user .. user, 32 * 86400)
  end
end

local refused = ''
local playing, of_user_playing = {}, {}
local most = session_max or rules_max
if not begins and ended == '' and idle_secs and now > last + idle_secs then ended = 'idle' end
if ended == '' then
  if stream ~= '' then
    local oldest = '(' .. (now - stream_secs)
    of_list('ZREMRANGEBYSCORE', streams, '-inf', oldest)
    local is_new = not of_list('ZSCORE', streams, stream)
    if is_new and most and of_list('ZCARD', streams) >= most then refused = 'session' end
    local plays = plays_of_user .. user
    if refused == '' and user ~= '' and user_max then
      local member = id .. ':' .. stream
      of_list('ZREMRANGEBYSCORE', plays, '-inf', oldest)
      if not of_list('ZSCORE', plays, member) and of_list('ZCARD', plays) >= user_max then
        refused = 'user'
      else
        of_list('ZADD', plays, now, member)
        redis.call('EXPIRE', plays, stream_secs + 60)
      end
    end
    if refused == '' then
      of_list('ZADD', streams, now, stream)
      redis.call('EXPIRE', streams, stream_secs + 60)
    end
  end
  if refused == '' then last = math.max(last, now) end
  -- Whoever limits streams knows them all, should the store be gone next time.
  if most then playing = of_list('ZREVRANGE', streams, 0, 63, 'WITHSCORES') end
  if user ~= '' and user_max then
    of_user_playing = of_list('ZREVRANGE', plays_of_user .. user, 0, 63, 'WITHSCORES')
  end
end
redis.call('HSET', session, 'opened', opened, 'created', created, 'last', last, 'ended', ended,
  'user', user, 'max', session_max or '', 'expires', expires)
-- What was revoked is remembered as long as whoever revoked it said.
if ended ~= 'revoked' then redis.call('EXPIRE', session, math.max(expires - now, 0) + 60) end
return { opened, tostring(created), tostring(last), ended, refused, playing, of_user_playing }
