-- ctl_retry: messages that failed for good go back to their queues, as if never tried.
-- ARGV: 4 and on: ids. Returns {'ok', one word per id}: 'queued'; 'not_found'; 'not_failed' (its
-- status is another); 'no_content' (what was to be sent is no longer kept).
-- The day's statistics stay: that failure happened. The fence stays too, or begins above any that
-- was given out: a late outcome of an earlier lease must not pass for one of the next.
check_types()
local digits = { HIGH = 1, NORMAL = 2, LOW = 3 }
local out, again = { 'ok' }, false

local function retry(id)
  local key, content, text = P .. 'message:' .. id, P .. 'content:' .. id, P .. 'text:' .. id
  local m = call('HMGET', key, 'status', 'sender', 'priority', 'message_type', '_tenant',
    '_text')
  if not m[1] or not m[2] then
    return 'not_found'
  elseif m[1] ~= 'failed' then
    return 'not_failed'
  elseif call('EXISTS', content) == 0 or m[6] and call('EXISTS', text) == 0 then
    return 'no_content'
  end
  local priority = int((digits[m[3]] or 2) + (m[4] == 'MARKETING' and 3 or 0))
    .. (m[5] and '/' .. m[5] or '')
  call('HSET', key, 'status', 'queued', 'attempts', '0')
  call('HSETNX', key, '_fence', int(now))
  call('HDEL', key, 'failed_at', 'error_code', 'error_message', 'response', 'next_attempt_at',
    'provider_message_id', '_started')
  call('HSET', key, '_priority', priority)
  call('PERSIST', key)
  call('PERSIST', content)
  call('PERSIST', text)
  call('ZREM', P .. 'dead', id)
  put('RPUSH', ready_key(m[2], priority), { id })
  give_turn(m[2])
  event(false, 'message.queued', 'id', id, 'sender', m[2])
  again = true
  return 'queued'
end

for i = 4, #ARGV do
  out[#out + 1] = retry(ARGV[i])
end
if again then
  call('PUBLISH', P .. 'bell', 'retry')
end
return out
