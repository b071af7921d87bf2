-- Calls a command on a list. What is no list holds nothing that was listed: it makes way for one.
local function of_list(command, list, ...)
  local answer = redis.pcall(command, list, ...)
  if type(answer) == 'table' and answer.err and string.find(answer.err, 'WRONGTYPE', 1, true) then
    redis.call('DEL', list)
    return redis.call(command, list, ...)
  elseif type(answer) == 'table' and answer.err then
    error(answer.err)
  end
  return answer
end
