-- ctl_sender: an operator stops senders and lets them go on.
-- ARGV: 4 'pause' | 'resume', 5 and on: ids. Returns {'ok', per id: the state before, or ''
-- (nobody has configured such a sender)}.
-- What is in flight ends as it would; waiting messages stay where they are.
local out, verb, again = { 'ok' }, ARGV[4], false

local function pause(id, key)
  call('HSET', key, 'state', 'paused', 'until', '', '_shown', '')
  call('ZREM', P .. 'turn', id)
end

-- Also mends a broken sender, and ends a wait that its provider asked for or that its errors made.
local function resume(id, key)
  call('HSET', key, 'state', 'ok', 'until', '', '_shown', '')
  call('HDEL', key, 'error_message', 'breaker')
  local names = call('HGET', key, '_buckets') or ''
  for _, name in ipairs({ 'sender:' .. id, string.match(names, 'account:%S+') }) do
    call('HDEL', P .. 'bucket:' .. name, 'pause', 'trouble')
  end
  if waiting(id) > 0 then
    call('ZADD', P .. 'turn', 'LT', int(now_us), id)
    again = true
  end
end

for i = 5, #ARGV do
  local key = P .. 'sender:' .. ARGV[i]
  local state = call('HGET', key, 'state')
  if state and verb == 'pause' then
    pause(ARGV[i], key)
  elseif state then
    resume(ARGV[i], key)
  end
  out[#out + 1] = state or ''
end
if again then
  call('PUBLISH', P .. 'bell', 'resume')
end
return out
