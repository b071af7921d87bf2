-- Reads sessions. A record that is broken is as none, and keeps no other from being read.
local oldest, found = ARGV[1], {}
for at = 1, #KEYS, 2 do
  local known = redis.pcall('HMGET', KEYS[at], 'opened', 'created', 'last', 'ended')
  local streams = redis.pcall('ZCOUNT', KEYS[at + 1], oldest, '+inf')
  if known.err then known = {} end
  if type(streams) == 'table' then streams = 0 end
  found[#found + 1] = {
    known[1] or '', tostring(known[2] or ''), tostring(known[3] or ''), known[4] or '', streams,
  }
end
return found
