-- ctl_bulk: an operator stops a bulk, lets it go on, ends it, or tries its failures again.
-- ARGV: 4 'pause' | 'resume' | 'cancel' | 'retry', 5 retention ms, 6 reply ms, 7 and on: ids.
-- Returns {'ok', per id: 'done', 'not_found', or the status that stands against it}.
-- What is in flight ends as it would. The bell makes workers give back what they hold but have not
-- begun; claim then sets it aside, or drops what is cancelled: that is counted here, at once.
-- After refs.lua.
allow_oom()
check_types()
local verb, retention, reply_ms = ARGV[4], ARGV[5], ARGV[6]
local out = { 'ok' }

local function running(b)
  return b.more and 'expanding' or 'sending'
end

local function pause(b)
  if b.status ~= 'expanding' and b.status ~= 'sending' then
    return b.status
  end
  b.status = 'paused'
  event(true, 'bulk.paused', 'id', b.id)
end

-- What was set aside goes back to the head of the queue, in its order.
local function resume(b)
  if b.status ~= 'paused' then
    return b.status
  end
  local held = call('LRANGE', b.key .. ':held', 0, -1)
  for k = #held, 1, -1 do
    local ref = ref_unpack(held[k])
    refs_push('LPUSH', b, ref.mark, ref.attempts, ref.n, ref.leads)
  end
  call('DEL', b.key .. ':held')
  b.status = running(b)
  tell('ZADD', P .. 'expand', int(now_us), b.id)
  event(true, 'bulk.resumed', 'id', b.id)
end

local function cancel(b)
  if b.status == 'done' or b.over then
    return b.status
  end
  local waiting = math.max(0, b.queued - b.sending)
  b.queued, b.cancelled = b.queued - waiting, b.cancelled + waiting
  b.status, b.over, b.more = 'cancelled', true, false
  call('UNLINK', b.key .. ':ids', b.key .. ':held')
  tell('ZADD', P .. 'expand', int(now_us), b.id)
end

local function retry(b)
  if b.status ~= 'done' and b.status ~= 'sending' then
    return b.status
  elseif b.failed == 0 or call('EXISTS', b.key .. ':content') == 0 then
    return 'nothing'
  end
  call('HSET', b.key, '_cursor', 'failed 0 ' .. int(now + 1))
  call('HDEL', b.key, 'finished_at', 'response', '_page')
  for _, name in ipairs({ '', ':content' }) do
    call('PERSIST', b.key .. name)
  end
  b.status, b.more = 'expanding', true
  tell('ZADD', P .. 'expand', int(now_us), b.id)
  event(true, 'bulk.retrying', 'id', b.id, 'failed', int(b.failed))
end

local verbs = { pause = pause, resume = resume, cancel = cancel, retry = retry }
for k = 7, #ARGV do
  local b = bulk_of(ARGV[k])
  local refused = b and verbs[verb](b)
  if b and not refused then
    b.dirty = true
  end
  out[#out + 1] = not b and 'not_found' or refused or 'done'
end
bulks_write(retention, reply_ms)
call('PUBLISH', P .. 'bell', 'bulk')
return out
