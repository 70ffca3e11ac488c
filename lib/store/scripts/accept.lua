-- accept: replaces the taken batch by messages, duplicates and rejected jobs, all at once.
-- ARGV: 4 tag, 5 idempotency ms, 6 reply ms, 7 jobs, 8 '1' where one of them was large; then per job
-- either
--   'r' index error_code error_message field reply_queue answer
--   'm' index id idempotency_key body_hash explicit sender priority due_ms reply_queue
--       conflict_answer packed field_count field value ...
--   'b' the same for a bulk, whose content is packed; then its selection, the first cursor, and
--       the count of pages of lead ids, and these
-- index: the job's place in the claimed batch, from 1. explicit: '1' = the job named its id, else '0';
-- and a k behind it where it keeps the large job's text. due_ms 0 = now.
-- Returns {'ok', accepted, duplicates, rejected} or {'gone'}: the batch is no longer this
-- worker's (recovered, or this call already ran), nothing was written.
local claimed = P .. 'claimed:' .. W
local tag = call('LINDEX', claimed, 0)
if not tag or string.match(tag, '^[^:]*') ~= ARGV[4] then
  return { 'gone' }
end
local text, keeper = P .. 'reading:' .. W, nil
if ARGV[8] ~= '' and call('EXISTS', text) == 0 then
  return { 'gone' }
end
check_types()
local idem_ms, reply_ms = ARGV[5], ARGV[6]
local accepted, duplicates, rejected = 0, 0, 0
local queues, senders = {}, {}

local function answer(queue, text)
  if queue ~= '' and text ~= '' then
    local told = tell('RPUSH', P .. 'reply:' .. queue, text)
    if type(told) == 'table' and string.find(told.err, 'OOM', 1, true) then
      -- Only a first write can be refused so: nothing is written yet, all of it comes again.
      error(told.err)
    end
    call('PEXPIRE', P .. 'reply:' .. queue, reply_ms)
  end
end

local function reject(index, code, text, field, queue, reply)
  local raw = call('LINDEX', claimed, index)
  call('XADD', P .. 'rejected', '*', 'raw', raw, 'error_code', code, 'error_message', text,
    'field', field, 'at', now_iso)
  event(true, 'job.rejected', 'error_code', code)
  answer(queue, reply)
  rejected = rejected + 1
end

-- The earlier message with this key or id, and whether it came with the same body.
local function earlier(kind, id, key, hash, explicit)
  if key ~= '' then
    local seen = tell('GET', P .. 'idem:' .. key)
    if type(seen) == 'string' then
      local first, first_hash = string.match(seen, '^(%S+) (%S+)$')
      return first, first_hash == hash
    end
  end
  if explicit == '1' then
    -- A message whose job named no id has no hash: it cannot be shown to be the same.
    local first = tell('HMGET', P .. kind .. id, 'id', '_hash')
    if first.err or first[1] then
      return id, first[2] == hash
    end
    local other = kind == 'bulk:' and 'message:' or 'bulk:'
    if tell('EXISTS', P .. other .. id) == 1 then
      return id, false
    end
  end
end

-- A repeated job: its answer is the first one's, now or when that is final. False: too many wait
-- for that.
local REPEATS_MAX = 100
local function repeated(first, queue)
  if queue == '' then
    return true
  end
  local key, seen
  for _, kind in ipairs({ 'message:', 'bulk:' }) do
    key = P .. kind .. first
    seen = tell('HMGET', key, 'response', '_reply', 'id')
    if seen[3] then
      break
    end
  end
  if seen[1] then
    answer(queue, seen[1])
  elseif seen[3] then
    local _, n = string.gsub(seen[2] or '', '%S+', '')
    if n >= REPEATS_MAX then
      return false
    end
    call('HSET', key, '_reply', seen[2] and (seen[2] .. ' ' .. queue) or queue)
  end
  return true
end

local function enqueue(id, sender, priority, due)
  if due > now then
    call('ZADD', P .. 'delayed', int(due), id)
    return
  end
  local q = ready_key(sender, priority)
  if not queues[q] then
    queues[q] = {}
  end
  table.insert(queues[q], id)
  senders[sender] = priority == '0' and '0' or senders[sender] or priority
end

local function add_message(id, hash, explicit, sender, priority, due, packed, at, fields)
  local mk = P .. 'message:' .. id
  call('HSET', mk, 'status', due > now and 'scheduled' or 'queued', 'attempts', '0', 'queued_at',
    now_iso, unpack(ARGV, at, at + fields - 1))
  if due > now then
    call('HSET', mk, 'next_attempt_at', iso(due))
  end
  if explicit == '1' then
    call('HSET', mk, '_hash', hash)
  end
  call('SET', P .. 'content:' .. id, packed)
  enqueue(id, sender, priority, due)
  event(false, 'message.queued', 'id', id, 'sender', sender)
end

-- A bulk: content and selection once; expand.lua goes on from here. What stands under its keys is
-- of no bulk, since its hash is not there: it must not become part of this one, or fail the script.
local function add_bulk(id, hash, explicit, due, queue, packed, at, fields)
  local key, after = P .. 'bulk:' .. id, at + fields
  call('UNLINK', key .. ':content', key .. ':ids', key .. ':held')
  call('HSET', key, 'status', 'expanding', 'total_leads', '0', 'messages_queued', '0',
    'messages_sending', '0', 'messages_sent', '0', 'messages_failed', '0', 'messages_cancelled', '0',
    'success_rate', '0.00', 'created_at', now_iso, 'updated_at', now_iso, '_more', '1', '_cursor',
    ARGV[after + 1], '_reply', queue, unpack(ARGV, at, after - 1))
  if explicit == '1' then
    call('HSET', key, '_hash', hash)
  end
  call('HSET', key .. ':content', 'content', packed, 'selection', ARGV[after])
  for k = after + 3, after + 2 + tonumber(ARGV[after + 2]) do
    call('RPUSH', key .. ':ids', ARGV[k])
  end
  tell('ZADD', P .. 'bulks', int(now), id)
  local oldest = tell('ZRANGE', P .. 'bulks', 0, 0)[1]
  if oldest and call('EXISTS', P .. 'bulk:' .. oldest) == 0 then
    call('ZREM', P .. 'bulks', oldest)
  end
  tell('ZADD', P .. 'expand', int(math.max(due, now) * 1000), id)
  event(true, 'bulk.expanding', 'id', id)
end

local i = 9
for _ = 1, tonumber(ARGV[7]) do
  local index = ARGV[i + 1]
  if ARGV[i] == 'r' then
    reject(index, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6])
    i = i + 7
  else
    local id, key, hash, explicit = ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
    local sender, priority, due = ARGV[i + 6], ARGV[i + 7], tonumber(ARGV[i + 8])
    local queue, conflict, packed = ARGV[i + 9], ARGV[i + 10], ARGV[i + 11]
    local fields, keeps = tonumber(ARGV[i + 12]) * 2, #explicit > 1
    explicit = keeps and string.sub(explicit, 1, 1) or explicit
    local first, same = earlier(ARGV[i] == 'b' and 'bulk:' or 'message:', id, key, hash,
      explicit)
    if first and same and repeated(first, queue) then
      duplicates = duplicates + 1
    elseif first then
      local why = same and string.format('and %d repeats wait for its answer', REPEATS_MAX)
        or 'with another body'
      reject(index, 'idempotency_conflict', 'the same idempotency key or id came before ' .. why,
        'idempotency_key', queue, (string.gsub(conflict, 'with another body', why, 1)))
    else
      if key ~= '' then
        call('SET', P .. 'idem:' .. key, id .. ' ' .. hash, 'PX', idem_ms)
      end
      if ARGV[i] == 'b' then
        add_bulk(id, hash, explicit, due, queue, packed, i + 13, fields)
      else
        add_message(id, hash, explicit, sender, priority, due, packed, i + 13, fields)
      end
      accepted = accepted + 1
      keeper = keeps and id or keeper
    end
    i = i + 13 + fields
    if ARGV[i - 13 - fields] == 'b' then
      i = i + 3 + tonumber(ARGV[i + 2])
    end
  end
end
for q, ids in pairs(queues) do
  put('RPUSH', q, ids)
end
for sender, class in pairs(senders) do
  if not give_turn(sender, class) then
    -- Its turn may come tomorrow only: show now that more wait.
    tell('HSET', P .. 'sender:' .. sender, 'waiting', waiting(sender), '_shown', '')
  end
end
if keeper then
  call('RENAME', text, P .. 'text:' .. keeper)
  call('PERSIST', P .. 'text:' .. keeper)
elseif ARGV[8] ~= '' then
  call('UNLINK', text)
end
call('DEL', claimed)
return { 'ok', accepted, duplicates, rejected }
