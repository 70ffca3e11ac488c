-- finish: records the outcomes of attempts. Statistics move exactly when a state moves.
-- After buckets.lua, refs.lua.
-- ARGV: 4 retention ms, 5 reply ms, 6 stats retention ms, 7 timeline cap, 8 keep content 0|1,
-- 9 count, then per outcome:
--   kind id fence sender delay_ms flags answer reply_queue stats_provider stats_channel contact
--   deal field_count field value ...
--   and for kind 'n': next_sender next_provider units broken packed
--   Then the count of groups of bulk recipients, and per group: bulk slice sender provider channel
--   count of parts, and per part:
--   's' count places (two bytes each), and for each of these: ledger lead line - all that were sent
--   one after the other, ready to be written
--   'f' place ledger lead "<attempts> <error code>" flags error_code
--   any other kind, place lead flags delay_ms error_message
-- kind: 's' sent (delay_ms > 0: the quota is used up, the sender waits so long), 'f' failed, 'r' retry
-- after delay_ms, 'w' wait delay_ms without counting the attempt (the recipient is throttled), 'q' the
-- same without parking it, 't' the sender is throttled for delay_ms (attempt not counted), 'b' the
-- sender's credentials were refused
-- (attempt not counted), 'n' definitely not delivered, the next sender tries, 'x' released unsent
-- (attempt not counted). flags: '1' the request definitely never left, '+' the provider answered,
-- '-' the provider is in trouble; of a recipient with '1' also 'u' and its units.
-- Returns {'ok', recorded, stale, next_us}: when the next work is due, 0 = nothing waits.
--
-- The fence is the lease's number on the message, not the lease itself: a late "sent" is true
-- evidence and is taken even after the lease was lost, as long as nobody else leased the message
-- since. Everything else counts only while the message is still in this lease. Running twice finds
-- another status and changes nothing. A bulk recipient's fence is its place in the slice, and that
-- its ledger is written once.
allow_oom()
check_types()
local retention, reply_ms, stats_ms = ARGV[4], ARGV[5], ARGV[6]
local timeline_max, keep_content = ARGV[7], ARGV[8] == '1'
local recorded, stale = 0, 0
local stats, gone, unleased, senders, refunds = {}, {}, {}, {}, {}
local minute = { sent = 0, errors = 0 } -- attempts, for the status page's hour
local day = P .. 'stats:' .. string.sub(now_iso, 1, 10)
call('HLEN', day)

-- `what`: "<provider> <channel> <sent or failed> <sender>", each of which has a counter.
local function tally(what, n)
  stats[what] = (stats[what] or 0) + n
end

local function count_attempt(kind)
  if kind == 's' then
    minute.sent = minute.sent + 1
  elseif string.find(kind, '[frnb]') then -- waiting for a limit is no error
    minute.errors = minute.errors + 1
  end
end

local function timeline(kind, id, o)
  if id ~= '' then
    tell('XADD', P .. 'timeline:' .. kind .. ':' .. id, 'MAXLEN', '~', timeline_max, '*', 'id', o.id,
      'status', o.status, 'channel', o.channel, 'provider', o.provider, 'at', now_iso)
    call('PEXPIRE', P .. 'timeline:' .. kind .. ':' .. id, retention)
  end
end

local function reply(queue, text)
  tell('RPUSH', P .. 'reply:' .. queue, text)
  call('PEXPIRE', P .. 'reply:' .. queue, reply_ms)
end

-- What was to be sent, with the text of a large job, expires like the message.
local function keep_for_now(id, has_text)
  call('PEXPIRE', P .. 'content:' .. id, retention)
  if has_text then
    call('PEXPIRE', P .. 'text:' .. id, retention)
  end
end

-- sent or failed: for good.
local function final(o, m, first, fields)
  o.status = o.kind == 's' and 'sent' or 'failed'
  call('HSET', o.key, 'status', o.status, o.status .. '_at', now_iso, 'response', o.answer,
    unpack(ARGV, first, first + fields - 1))
  call('PEXPIRE', o.key, retention)
  if m[2] ~= '1' or m[1] ~= 'sending' then -- it has come back before
    call('HDEL', o.key, 'next_attempt_at')
    if o.kind == 's' then
      call('HDEL', o.key, 'error_code', 'error_message')
    end
  end
  if o.kind == 's' then
    if keep_content then
      keep_for_now(o.id, m.text)
    else
      gone[#gone + 1] = P .. 'content:' .. o.id
      if m.text then
        gone[#gone + 1] = P .. 'text:' .. o.id
      end
    end
    event(true, 'message.sent', 'id', o.id, 'sender', o.sender, 'provider', o.provider)
  else
    -- Kept as long as the dead letter, so that an operator can send it again.
    keep_for_now(o.id, m.text)
    call('ZADD', P .. 'dead', int(now), o.id)
    event(true, 'message.failed', 'id', o.id, 'sender', o.sender, 'provider', o.provider,
      'error_code', o.code)
  end
  if m[1] == 'scheduled' then
    call('ZREM', P .. 'delayed', o.id)
  end
  tally(o.provider .. ' ' .. o.channel .. ' ' .. o.status .. ' ' .. o.sender, 1)
  timeline('contact', o.contact, o)
  timeline('deal', o.deal, o)
  if o.queue ~= '' then
    reply(o.queue, o.answer)
  end
  if m[4] then -- repeated jobs that wait for the answer too
    for queue in string.gmatch(m[4], '%S+') do
      reply(queue, o.answer)
    end
  end
end

local function later(o, attempts, first, fields)
  local due = now + o.delay
  call('HSET', o.key, 'status', 'scheduled', 'attempts', attempts, 'next_attempt_at', iso(due),
    unpack(ARGV, first, first + fields - 1))
  if o.code == 'outcome_unknown' then
    call('HSET', o.key, '_unsure', '1')
  end
  call('ZADD', P .. 'delayed', int(due), o.id)
  event(false, 'message.retrying', 'id', o.id, 'sender', o.sender, 'error_code', o.code)
end

-- The sender's state, for those who may stop it: what an operator paused stays paused, whatever its
-- last transfers say, and what is broken is not mended by a throttle.
local function state_of(sender)
  local state = tell('HGET', P .. 'sender:' .. sender, 'state')
  return type(state) == 'table' and 'paused' or state
end

local function stop(sender, until_us)
  call('HSET', P .. 'sender:' .. sender, 'state', 'throttled', 'until',
    iso(math.floor(until_us / 1000)), '_shown', '')
  call('ZADD', P .. 'turn', int(until_us), sender)
end

-- The bucket that a provider's throttling concerns: its account's, if senders share that.
local function throttled_bucket(sender)
  local names = tell('HGET', P .. 'sender:' .. sender, '_buckets')
  names = type(names) == 'string' and names or ''
  return bucket(string.match(names, 'account:%S+') or 'sender:' .. sender)
end

-- Parks the bucket for all workers; it is `again` throttled if the answer was a refusal.
local function park(sender, delay, again)
  local state, b = state_of(sender), throttled_bucket(sender)
  local pause = now_us + delay * 1000
  if state == 'paused' or state == 'broken' or not b or b.pause >= pause then
    return
  end
  if again and b.pause <= now_us then
    throttled(b)
  end
  b.pause = pause
  note(b, 'pause', int(pause))
  stop(sender, pause)
end

-- The recipient is throttled: nothing goes to it by this sender until then.
local function park_recipient(o, recipients)
  local pause, last = now_us + o.delay * 1000, 0
  for recipient in string.gmatch(recipients or '', '[^,]+') do
    local b = pair(o.sender, '', recipient)
    b.pause, b.dirty, last = math.max(b.pause, pause), true, pause
  end
  local key = P .. 'sender:' .. o.sender
  local old = tell('HGET', key, '_pairs_until')
  if last > 0 and type(old) ~= 'table' and tonumber(old or '0') < last then
    call('HSET', key, '_pairs_until', int(last))
  end
end

-- The sender's circuit breaker: '+' its provider answered, '-' it did not or said it could not.
local function judge_sender(o, health)
  local b = health ~= '' and bucket('sender:' .. o.sender)
  local until_us = b and judge(b, health == '+')
  local state = until_us and state_of(o.sender)
  if until_us and state ~= 'paused' and state ~= 'broken' then
    stop(o.sender, until_us)
    call('HSET', P .. 'sender:' .. o.sender, 'breaker', 'open', 'error_message', o.text)
  elseif b and b.judged then
    call('HDEL', P .. 'sender:' .. o.sender, 'breaker', 'error_message')
  end
end

-- Its turn stays: the next claim shows how many wait, and takes the turn away.
local function break_sender(sender, text)
  if state_of(sender) == 'paused' then
    return
  end
  call('HSET', P .. 'sender:' .. sender, 'state', 'broken', 'error_message', text,
    '_shown', '')
end

-- One entry of the trail that a message leaves: JSON, for people and programs.
local function trail_of(o, m)
  local entry = cjson.encode({ at = now_iso, sender = o.sender, provider = o.provider,
    attempts = tonumber(m[3]), error_code = o.code, error_message = o.text })
  return string.sub(m[5] or '[]', 1, -2) .. (m[5] and ',' or '') .. entry .. ']'
end

-- Not by an uncertain attempt before: then it may have been delivered, and no other sender tries.
local function fall_back(o, m, first, fields)
  local next_sender, units = ARGV[o.more], ARGV[o.more + 2]
  if ARGV[o.more + 3] == '1' then
    break_sender(o.sender, o.text)
  end
  if m[14] and ARGV[o.more + 3] == '1' then
    return release(o.id, o.sender, m[6], m[3], false)
  elseif m[14] then
    o.kind = 'f'
    return final(o, m, first, fields)
  end
  call('HSET', o.key, 'trail', trail_of(o, m), 'sender', next_sender, 'provider', ARGV[o.more + 1],
    'status', 'queued', 'attempts', '0', '_units', units, unpack(ARGV, first, first + fields - 1))
  call('SET', P .. 'content:' .. o.id, ARGV[o.more + 4])
  put('RPUSH', ready_key(next_sender, m[6] or '2'), { o.id })
  give_turn(next_sender, m[6])
  event(false, 'message.retrying', 'id', o.id, 'sender', next_sender, 'error_code', o.code)
end

local function record(o, m, first, fields)
  local uncounted = int(math.max(0, tonumber(m[3] or '0') - 1))
  if o.kind == 's' or o.kind == 'f' then
    final(o, m, first, fields)
    if o.kind == 's' and o.delay > 0 then
      park(o.sender, o.delay, false)
    end
  elseif o.kind == 'n' then
    fall_back(o, m, first, fields)
  elseif o.kind == 'r' then
    later(o, m[3] or '0', first, fields)
  elseif o.kind == 'w' then
    later(o, uncounted, first, fields)
    park_recipient(o, m[13])
  elseif o.kind == 'q' then
    later(o, uncounted, first, fields)
  else
    release(o.id, o.sender, m[6], m[3], false)
    if o.kind == 't' then
      park(o.sender, o.delay, true)
    elseif o.kind == 'b' then
      break_sender(o.sender, o.text)
    end
  end
end

-- What the hash says: of a plain success, which most are, only the first ones are needed.
local function read_message(o, all)
  local m = tell('HMGET', o.key, 'status', '_fence', 'attempts', '_reply', 'trail', '_text')
  m.text = m[6]
  if all then
    local more = tell('HMGET', o.key, '_priority', 'sender', 'provider', 'channel', 'sending_at',
      '_units', '_tenant', 'recipient', '_unsure')
    for k = 1, 9 do
      m[5 + k] = more[k]
    end
  end
  return m
end

local i, seen = 10, {}
for _ = 1, tonumber(ARGV[9]) do
  local o = { kind = ARGV[i], id = ARGV[i + 1], sender = ARGV[i + 3], delay = tonumber(ARGV[i + 4]),
    answer = ARGV[i + 6], queue = ARGV[i + 7], provider = ARGV[i + 8], channel = ARGV[i + 9],
    contact = ARGV[i + 10], deal = ARGV[i + 11] }
  local fields = tonumber(ARGV[i + 12]) * 2
  o.key, o.more = P .. 'message:' .. o.id, i + 13 + fields
  -- What did not go well has error_code and error_message as its first fields.
  o.code = fields >= 2 and ARGV[i + 14] or ''
  o.text = fields >= 4 and ARGV[i + 16] or ''
  local flags = ARGV[i + 5]
  local m = read_message(o, o.kind ~= 's' or flags ~= '+' or o.sender == '' or o.provider == 'none')
  -- Of a message that cannot be read, or whose sender is configured no more, the hash knows.
  if o.sender == '' then
    o.sender, o.channel = m[7] or '', m[9] or o.channel
  end
  if o.provider == 'none' then
    o.provider = m[8] or o.provider
  end
  local mine = m[2] == ARGV[i + 2]
  if mine and (m[1] == 'sending' or (o.kind == 's' and (m[1] == 'queued' or m[1] == 'scheduled')))
  then
    count_attempt(o.kind)
    record(o, m, i + 13, fields)
    judge_sender(o, string.match(flags, '[+-]') or '')
    recorded = recorded + 1
  else
    stale = stale + 1
  end
  -- A lease of a later fence is another attempt's of this same worker: it stays.
  if (mine or not m[2]) and not seen[o.id] then
    seen[o.id] = true
    unleased[#unleased + 1] = o.id
    senders[#senders + 1] = o.sender
    refunds[#refunds + 1] = string.find(flags, '1', 1, true) and { leased_at = m[10],
      units = tonumber(m[11] or '1'), channel = m[9], tenant = m[12] } or false
  end
  i = o.more + (ARGV[i] == 'n' and 5 or 0)
end

-- Bulk recipients that were not sent: back to the head of their queue, or later; those whose bulk
-- was cancelled are cancelled.
local function unsent(b, kind, lead, delay, attempts, back)
  b.sending = b.sending - 1
  b.dirty = true
  if b.over then
    b.queued, b.cancelled = b.queued - 1, b.cancelled + 1
  elseif kind == 'r' or kind == 'w' or kind == 'q' then
    call('ZADD', P .. 'delayed', int(now + delay), ref_pack('*', b.id,
      kind == 'r' and attempts or int(math.max(0, attempts - 1)), '1', lead .. '\0'))
  else
    back[#back + 1] = lead .. '\0'
  end
end

-- A late word ends what another worker has leased since: it leaves that one's slice. False: nobody
-- has it.
local function take_out(b, lead)
  for _, worker in ipairs(tell('ZRANGE', P .. 'workers', 0, -1)) do
    local refs = P .. 'refs:' .. worker
    local slices = tell('HGETALL', refs)
    for k = 1, #slices, 2 do
      local sender, place = place_in(slices[k + 1], b.id, lead)
      local places = place and call('HGET', refs, slices[k] .. '.')
      if places and string.byte(places, place) ~= 48 then
        call('HSET', refs, slices[k] .. '.', string.sub(places, 1, place - 1) .. '0'
          .. string.sub(places, place + 1))
        b.sending = b.sending - 1
        give_back(sender, 1, {})
        return true
      end
    end
  end
  return false
end

-- A "sent" that comes when the recipient is in this slice no more, its line at ARGV[at]: it counts if
-- nothing else was recorded.
local function late_sent(b, at)
  if tell('HSETNX', ARGV[at], ARGV[at + 1], ARGV[at + 2]) == 0 then
    return false
  end
  if take_out(b, ARGV[at + 1]) or not b.over then
    b.queued = b.queued - 1
  else
    b.cancelled = b.cancelled - 1
  end
  b.sent, b.dirty = b.sent + 1, true
  return true
end

-- Its line at ARGV[at] but for when, which a retry asks by Redis' clock.
local function failed_one(b, at)
  b.sending, b.dirty = b.sending - 1, true
  if tell('HSETNX', ARGV[at], ARGV[at + 1], 'failed ' .. int(now) .. ' ' .. ARGV[at + 2]) == 0 then
    return false
  end
  b.queued, b.failed = b.queued - 1, b.failed + 1
  return true
end

-- The places of a slice; none if it is not this worker's any more.
local function slice_of(number)
  local places = call('HGET', P .. 'refs:' .. W, number .. '.') or ''
  return { number = number, places = { string.byte(places, 1, -1) }, back = {}, freed = 0,
    refunds = {} }
end

-- The rest of it, which a success does not need: the attempt's number, and since when it is leased.
local function read_slice(slice)
  if not slice.read then
    local sender, _, attempts, at = slice_unpack(call('HGET', P .. 'refs:' .. W, slice.number))
    slice.sender, slice.attempts, slice.leased_at = sender, tonumber(attempts), at
    slice.read = true
  end
  return slice
end

local function write_slice(slice, b, sender)
  local refs, number = P .. 'refs:' .. W, slice.number
  if slice.freed == 0 then
    return
  end
  if #slice.back > 0 then
    refs_push('LPUSH', b, '*', math.max(0, slice.attempts - 1), #slice.back,
      table.concat(slice.back))
  end
  local places = string.char(unpack(slice.places))
  if string.find(places, '[12]') then
    call('HSET', refs, number .. '.', places)
  else
    call('HDEL', refs, number, number .. '.')
  end
  local refunds = {}
  for k, units in ipairs(slice.refunds) do
    refunds[k] = { leased_at = slice.leased_at, units = units, channel = b and b.channel,
      tenant = b and b.tenant }
  end
  give_back(sender, slice.freed, refunds)
end

-- Frees the place; false if it is not this slice's any more.
local function leave(slice, place)
  if (slice.places[place] or 48) == 48 then
    return false
  end
  slice.places[place] = 48
  slice.freed = slice.freed + 1
  return true
end

local function note_recorded(good, all)
  recorded, stale = recorded + good, stale + all - good
end

-- So many recipients that were sent, one after the other, from ARGV[i] on; returns the index after
-- them. Only another "sent", which came late, may stand in the ledger before one of this slice: that
-- may be written over, which is cheaper than to look first.
local function sent_ones(i, slice, b, sender, sum)
  local args, byte, write = ARGV, string.byte, tell -- looked up once: this runs for each recipient
  local n, places, mine, good, late = tonumber(args[i + 1]), args[i + 2], 0, 0, 0
  i = i + 3
  for k = 1, 2 * n, 2 do
    local high, low = byte(places, k, k + 1)
    if leave(slice, high * 256 + low) then
      mine = mine + 1
      if b and write('HSET', args[i], args[i + 1], args[i + 2]) ~= 0 then
        good = good + 1
      end
    elseif b and late_sent(b, i) then
      late = late + 1
    end
    i = i + 3
  end
  if b and mine > 0 then
    b.sending, b.queued, b.sent = b.sending - mine, b.queued - good, b.sent + good
    b.dirty = true
  end
  good = good + late
  sum.sent, minute.sent = sum.sent + good, minute.sent + good
  -- Nothing is to be judged when all goes well.
  if good > 0 and (not sum.bucket or sum.bucket.fails > 0) then
    judge_sender({ sender = sender }, '+')
  end
  note_recorded(good, n)
  return i
end

-- What does not go to the ledger as sent, at ARGV[i]: its flags, and whether it counts.
local function not_sent(i, slice, b, sender, sum, mine)
  local kind, good = ARGV[i], b and mine
  if kind == 'f' then
    local code = ARGV[i + 6]
    good = good and failed_one(b, i + 2)
    if good then
      count_attempt(kind)
      sum.failed = sum.failed + 1
      sum.who[#sum.who + 1] = ARGV[i + 3] .. ' ' .. code
      b.errors[code] = (b.errors[code] or 0) + 1
    end
    return ARGV[i + 5], good
  end
  if good then
    count_attempt(kind)
    unsent(b, kind, ARGV[i + 2], tonumber(ARGV[i + 4]), read_slice(slice).attempts, slice.back)
    if kind == 't' then
      park(sender, tonumber(ARGV[i + 4]), true)
    elseif kind == 'b' then
      break_sender(sender, ARGV[i + 5])
    end
  end
  return ARGV[i + 3], good
end

-- One recipient that was not sent, at ARGV[i]; returns the index after it.
local function other_one(i, slice, b, sender, sum)
  local mine = leave(slice, tonumber(ARGV[i + 1]))
  local flags, good = not_sent(i, slice, b, sender, sum, mine)
  if good and (flags ~= '+' or not sum.bucket or sum.bucket.fails > 0) then
    judge_sender({ sender = sender, text = ARGV[i + (ARGV[i] == 'f' and 6 or 5)] },
      string.match(flags, '[+-]') or '')
  end
  if mine and string.find(flags, '1', 1, true) then
    read_slice(slice)
    table.insert(slice.refunds, tonumber(string.match(flags, 'u(%d+)') or '1'))
  end
  note_recorded(good and 1 or 0, 1)
  return i + (ARGV[i] == 'f' and 7 or 6)
end

-- One group, at ARGV[i]; returns the index after it.
local function group(i)
  local b, sender, parts = bulk_of(ARGV[i]), ARGV[i + 2], tonumber(ARGV[i + 5])
  local slice, sum = slice_of(ARGV[i + 1]), { sent = 0, failed = 0, who = {} }
  if sender == '' then -- which a bulk that cannot be read does not tell
    sender = read_slice(slice).sender or ''
  end
  sum.bucket = bucket('sender:' .. sender)
  local provider, channel = ARGV[i + 3], ARGV[i + 4]
  i = i + 6
  for _ = 1, parts do
    i = (ARGV[i] == 's' and sent_ones or other_one)(i, slice, b, sender, sum)
  end
  write_slice(slice, b, sender)
  for _, word in ipairs({ 'sent', 'failed' }) do
    if sum[word] > 0 then
      tally(provider .. ' ' .. channel .. ' ' .. word .. ' ' .. sender, sum[word])
    end
  end
  if sum.sent + sum.failed > 0 then
    event(true, 'bulk.progress', 'id', b.id, 'sent', int(sum.sent), 'failed', int(sum.failed),
      'failed_leads', table.concat(sum.who, ' '))
  end
  return i
end

local groups = tonumber(ARGV[i])
i = i + 1
for _ = 1, groups do
  i = group(i)
end
bulks_write(retention, reply_ms)

-- The places and units of those that still were this worker's leases.
local lease = P .. 'lease:' .. W
local freed = {}
for k, held in ipairs(#unleased > 0 and call('SMISMEMBER', lease, unpack(unleased)) or {}) do
  if held == 1 then
    local f = freed[senders[k]] or { places = 0 }
    f.places = f.places + 1
    f[#f + 1] = refunds[k] or nil
    freed[senders[k]] = f
  end
end
if #unleased > 0 then
  call('SREM', lease, unpack(unleased))
end
for sender, f in pairs(freed) do
  give_back(sender, f.places, f)
end
save_buckets()
if #gone > 0 then
  call('UNLINK', unpack(gone))
end
local unending = next(stats) and call('PTTL', day) < 0
for what, n in pairs(stats) do
  local provider, channel, word, sender = string.match(what, '^(%S*) (%S*) (%S+) (.*)$')
  tell('HINCRBY', day, 'provider:' .. provider .. ':' .. word, n)
  tell('HINCRBY', day, 'channel:' .. channel .. ':' .. word, n)
  tell('HINCRBY', day, 'sender:' .. sender .. ':' .. word, n)
end
if unending then
  call('PEXPIRE', day, stats_ms)
end
local hour = P .. 'minutes:' .. int(math.floor(now / 3600000))
for word, n in pairs(minute) do
  if n > 0 and tell('HINCRBY', hour, math.floor(now / 60000) % 60 .. ':' .. word, n) == n then
    call('PEXPIRE', hour, 2 * 3600000)
  end
end
return { 'ok', recorded, stale, int(next_due()) }
