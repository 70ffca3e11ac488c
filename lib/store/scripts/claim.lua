-- claim: for the senders whose turn it is, takes tokens from every bucket that applies, pops that
-- many messages by priority, leases them to this worker and counts the attempt - one step, so that
-- the caps hold over any number of workers.
-- After buckets.lua, refs.lua, queues.lua.
-- ARGV: 4 want (sends that can start now), 5 prefetch (further ones, only for senders without a
-- rate), 6 quantum per sender, 7 horizon us (how far ahead slots are granted), 8 channels
-- that may have a suppression list, 9 zones, then per zone: name and four day bounds in ms.
-- Returns {'ok', now_us, next_us or 0, unknown senders {}, complaints {}, then per message: "<fence> <attempts>
-- <slot_us: when it may start> <flag> <id>" and what is stored of it} or {'fenced'}. Flags: '-', 's'
-- suppressed, 'c' capped: must start in its slot, 'l' over a limit: fails; and then, where its sender
-- has limits, ":<limit>/<left>/<reset s>" of the one that has the least left.
-- A slice of a bulk is one such pair: '@<bulk>' for the id, the leads with a NUL each, their slots with
-- commas between them (unless all is now), and three more flags: 's' there may be suppressions to look
-- up, 'w' the bulk wants to be expanded, 'c' charge.lua has to be asked what the recipients cost.
allow_oom()
if fenced() then
  return { 'fenced' }
end
local want, prefetch, quantum = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local horizon = tonumber(ARGV[7])
for z = 0, tonumber(ARGV[9]) - 1 do
  local i = 10 + z * 5
  zones[ARGV[i]] = { tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]),
    tonumber(ARGV[i + 4]) }
end
local turn = P .. 'turn'
local unknown, leased = {}, {}
-- What is returned; not unpacked from another table, which Lua does for some 8000 values only.
local out = { 'ok', int(now_us), '0', unknown, complaints }
-- As LOOK_MAX, of a sender whose messages may have to wait for buckets of their own, which costs more.
local LINE_MAX = 128

-- In the delayed set: a sender whose turn comes then.
local TURN = '~'

-- Messages whose time has come go to the ready queues. Bounded; what is left is due next time.
local function promote()
  local due = call('ZRANGEBYSCORE', P .. 'delayed', '-inf', int(now), 'LIMIT', 0, 128)
  if #due > 0 then
    call('ZREM', P .. 'delayed', unpack(due))
  end
  for _, id in ipairs(due) do
    local ref = is_ref(id) and ref_unpack(id)
    local b = ref and bulk_of(ref.bulk)
    local key = P .. 'message:' .. id
    local m = ref and {} or tell('HMGET', key, 'status', 'sender', '_priority')
    if string.sub(id, 1, 1) == TURN then
      give_turn(string.sub(id, 2))
    elseif b and not b.over then
      refs_push('RPUSH', b, ref.mark, ref.attempts, ref.n, ref.leads)
    elseif m[1] == 'scheduled' and m[2] then
      call('HSET', key, 'status', 'queued')
      call('HDEL', key, 'next_attempt_at')
      put('RPUSH', ready_key(m[2], m[3] or '2'), { id })
      give_turn(m[2], m[3])
    end
  end
end

-- Whether any channel has a suppression list at all: asked once per call, not per message. People
-- write these lists: one of another type must stop all before the first message is leased.
local any_suppressed = false
for channel in string.gmatch(ARGV[8], '%S+') do
  any_suppressed = call('SCARD', P .. 'suppressed:' .. channel) > 0 or any_suppressed
end
call('ZCARD', turn)

local function is_suppressed(id, ignore)
  if ignore == '1' or not any_suppressed then
    return false
  end
  local m = call('HMGET', P .. 'message:' .. id, 'channel', 'recipient')
  -- An e-mail may have several, as canonical addresses: one that is suppressed stops it.
  for recipient in string.gmatch(m[1] and m[2] or '', '[^,]+') do
    if tell('SISMEMBER', P .. 'suppressed:' .. m[1], recipient) == 1 then
      return true
    end
  end
  return false
end

-- A counter of a hash, plus one.
local function after(text)
  return text and int(tonumber(text) + 1) or '1'
end

local function lease(id, m, at, flags, left)
  local key = P .. 'message:' .. id
  local fence, attempts = after(m[2]), after(m[3])
  call('HSET', key, 'status', 'sending', '_fence', fence, 'attempts', attempts, 'sending_at',
    now_iso)
  leased[#leased + 1] = id
  local n = #out
  local packed = tell('GET', P .. 'content:' .. id)
  out[n + 1] = fence .. ' ' .. attempts .. ' ' .. int(at) .. ' '
    .. flags .. ((left or '') ~= '' and ':' .. left or '') .. ' ' .. id
  out[n + 2] = type(packed) == 'string' and packed or ''
  event(false, 'message.sending', 'id', id, 'attempts', attempts)
end

-- A message that waits for a bucket of its own leaves the queue until then. `_lined` says for which;
-- '1' once it has come from the line.
local function stand_in_line(id, at, b)
  local due = math.ceil(at / 1000)
  local name = string.gsub(string.sub(b.key, #P + 1), '^bucket:', '')
  call('HSET', P .. 'message:' .. id, 'status', 'scheduled', 'next_attempt_at', iso(due), '_lined',
    name)
  call('ZADD', P .. 'delayed', int(due), id)
  park_for_day(b, id, at)
end

local FIELDS = { 'status', '_fence', 'attempts', '_units' }
local OWN_FIELDS = { 'status', '_fence', 'attempts', '_units', 'channel', 'recipient', '_tenant',
  '_lined', '_priority' }

-- A message that fails rather than waits: leased to be told so, not to be sent.
local function lease_limited(id, m, list, left, reset_us)
  count_use(list, tonumber(m[4] or '1'))
  occupy(list)
  lease(id, m, now_us, 'l', (string.match(left, '^%d+') or '0') .. '/0/'
    .. int(math.ceil(reset_us / 1000000)))
end

-- ... all of these, when their sender has to wait.
local function refuse_waiting(sender, list, reset_us)
  local ids = queue[0] > 0 and tell('LPOP', ready_key(sender, 0), LINE_MAX) or {}
  queue_add(0, -#ids)
  for _, id in ipairs(ids) do
    local m = tell('HMGET', P .. 'message:' .. id, unpack(FIELDS))
    if m[1] == 'queued' then
      lease_limited(id, m, list, quota(list), reset_us)
    end
  end
end

-- Whether recipients have a rate, or one of them is parked.
local function pairs_matter(s)
  return (s[7] or '') ~= '' or tonumber(s[8] or '0') > now_us
end

-- The buckets that are the message's own, or nothing.
local function own_of(sender, s, m)
  local own = own_buckets(s[6], m[5], m[7])
  if pairs_matter(s) then
    for recipient in string.gmatch(m[6] or '', '[^,]+') do
      own[#own + 1] = pair(sender, s[7] or '', recipient)
    end
  end
  return own
end

-- Whether it matters when a message that costs these begins.
local function is_timed(own, at)
  for _, b in ipairs(own) do
    if b.interval > 0 then
      return true
    end
  end
  return at > now_us
end

-- Leases a popped message: returns true; or false, when it stands in a line of its own now; or
-- nothing, where its units do not fit into its sender's buckets, and when they might, and why.
local function admit(sender, s, list, id, m, at)
  local u = tonumber(m[4] or '1')
  if is_suppressed(id, s[3]) then
    count_use(list, u)
    occupy(list)
    lease(id, m, now_us, 's')
    return true
  end
  if list.units then
    local fits, later, full = fits_day(list, u)
    if not fits then
      park_for_day(full, TURN .. sender, later)
      return nil, later, 'day_cap'
    end
    at = slot(list, u)
    if at > now_us + horizon then
      return nil, at - horizon, 'throttled'
    end
  end
  local timed = list.rated
  if list.own then
    local own = own_of(sender, s, m)
    local free, later, why = own_time(own, u, at, m[8], now_us + horizon)
    if later and m[9] == '0' then
      lease_limited(id, m, list, quota(own), later)
      return false
    elseif later then
      stand_in_line(id, later, why)
      return false
    end
    if m[8] and m[8] ~= '1' then
      call('HSET', P .. 'message:' .. id, '_lined', '1')
    end
    at = free
    spend(own, at, u)
    timed = timed or is_timed(own, at)
  end
  spend(list, at, u)
  occupy(list)
  lease(id, m, at, timed and 'c' or '-', list.limited and quota(list))
  return true
end

-- A sender's buckets; nothing = one is missing.
local function buckets_of(s)
  local list = { own = (s[6] or '') ~= '' or pairs_matter(s) }
  for name in string.gmatch(s[1], '%S+') do
    local b = bucket(name)
    if not b then
      return nil
    end
    list[#list + 1] = b
    list.rated = list.rated or b.interval > 0
    list.placed = list.placed or b.conc > 0
    list.limited = list.limited or b.interval > 0 or b.day_cap > 0
    list.units = list.units or b.rate_units or b.day_units
  end
  return list
end

-- Slices of bulks, gathered while a sender is served: one lease and one answer for many.
local slices = {}

local function add_refs(cut, at)
  local last = slices[#slices]
  if not last or last.b ~= cut.b or last.attempts ~= cut.attempts then
    last = { b = cut.b, attempts = cut.attempts, n = 0, leads = {}, slots = {} }
    slices[#slices + 1] = last
  end
  last.n = last.n + cut.n
  last.leads[#last.leads + 1] = cut.leads
  last.slots[#last.slots + 1] = int(at)
end

local function lease_slices(sender, flag, ignore_suppressed, charge)
  for i, slice in ipairs(slices) do
    local b, n = slice.b, #out
    local leads, attempts = slice.leads[2] and table.concat(slice.leads) or slice.leads[1],
      int(slice.attempts + 1)
    local fence = int(now_us + i) -- among one worker's; the next call is later
    call('HSET', P .. 'refs:' .. W, fence, sender .. '\0' .. b.priority .. '\0' .. b.id .. '\0'
      .. attempts .. '\0' .. now_iso .. '\0' .. leads, fence .. '.', string.rep('1', slice.n))
    b.sending = b.sending + slice.n
    b.dirty = true
    local wants = b.more and b.ready < b.low
    if wants then
      tell('ZADD', P .. 'expand', int(now_us), b.id)
    end
    out[n + 1] = fence .. ' ' .. attempts .. ' ' .. (flag == 'c' and table.concat(slice.slots, ',')
      or int(now_us)) .. ' ' .. flag .. ' @' .. ((any_suppressed and ignore_suppressed ~= '1')
      and 's' or '-') .. (wants and 'w' or '-') .. (charge and 'c' or '-') .. b.id
    out[n + 2] = leads
  end
  slices = {}
end

-- Takes the tokens of n recipients of a bulk; n is 1 where a rate or own buckets apply. Returns
-- false, when to look again and the bucket where those of its channel or tenant are not free. A recipient's
-- units and its own rate are not known here: charge.lua takes those once its address is looked up.
local function admit_refs(s, list, ref, at)
  local own = list.own and own_buckets(s[6], ref.b.channel, ref.b.tenant) or {}
  if #own > 0 then
    local free, later, full = own_time(own, 1, at, true, now_us + horizon)
    if not free or free > now_us + horizon then
      return false, later or free - horizon, full
    end
    at = free
    spend(own, at, 1)
    list.timed = list.timed or is_timed(own, at)
  end
  if ref.n == 1 then
    spend(list, at, 1)
    occupy(list)
  else -- there is no rate
    count_use(list, ref.n, ref.n)
    occupy(list, ref.n)
  end
  add_refs(ref, at)
  return true
end

-- Leases up to n messages; returns how many, and when and why no more go, if that is so.
local function send(sender, s, list, n)
  local sent, many = 0, tonumber(s[10] or '0') > 0
  looked, turned = 0, 0
  local single, look_max = list.rated or list.units or list.own, list.own and LINE_MAX or LOOK_MAX
  local fields = list.own and OWN_FIELDS or FIELDS
  while sent < n and looked < look_max do
    local at = slot(list, 1)
    if at > now_us + horizon then
      return sent, at - horizon, 'throttled'
    end
    -- Without a rate all are popped at once, else one per slot.
    local before = sent
    local ids, urgent = pop(sender, single and 1 or n - sent, s.served, many)
    if #ids == 0 then
      break
    end
    for _, id in ipairs(ids) do
      local ref = type(id) == 'table' and id
      local m = ref and {} or tell('HMGET', P .. 'message:' .. id, unpack(fields))
      if ref then
        local done, later, full = admit_refs(s, list, ref, at)
        if not done then
          refs_push('LPUSH', ref.b, ref.mark, ref.attempts, ref.n, ref.leads)
          queue_add(ref.b.priority, 1)
          if not park_lane(sender, ref.b.priority, later) then
            return sent, later, 'throttled'
          elseif full then
            park_for_day(full, '=' .. sender .. ' ' .. ref.b.priority, later)
          end
        else
          sent = sent + ref.n
        end
      elseif m[1] == 'queued' then
        local done, later, why = admit(sender, s, list, id, m, at)
        if later then
          unpop(sender, id)
          return sent, later, why
        end
        sent = sent + (done and 1 or 0)
      end
    end
    s.served = single and sent > before and served_one(s.served, urgent)
      or s.served + sent - before
  end
  return sent
end

-- Serves one sender; returns when its next turn is (nothing = it has nothing to send, or all that it
-- has waits in lanes until a fourth value).
local function serve(sender, s)
  local list = buckets_of(s)
  if not list then
    unknown[#unknown + 1] = sender
    return now_us + 5000000, 'throttled', waiting(sender)
  end
  open_queues(sender, tonumber(s[11] or '0'))
  local room = (list.rated or list.own) and want or want + prefetch
  local most = math.min(room, quantum)
  local n, state, next_us = places(sender, list, most)
  wide = n == most and not (list.limited or list.own or list.placed) and room - most
  if n > 0 then
    local full, scarce
    n, full, scarce = day_room(list, n)
    if full and n == 0 then
      park_for_day(scarce, TURN .. sender, full)
    end
    if full then
      state, next_us = n == 0 and 'day_cap' or 'ok', n == 0 and full or 0
    end
  end
  local served = tonumber(s[4] or '0')
  s.served = served
  local sent, later, why = send(sender, s, list, n)
  close_queues(sender)
  local pairs_too = pairs_matter(s)
  lease_slices(sender, (list.rated or list.timed or pairs_too) and 'c' or '-', s[3],
    list.units or pairs_too)
  if later then
    state, next_us = why, later
  end
  local from_want = math.min(want, sent)
  want = want - from_want
  prefetch = prefetch - (sent - from_want)
  if s.served > served then
    call('HINCRBY', P .. 'sender:' .. sender, '_served', s.served - served)
  end
  if next_us == 0 and queue.all > 0 then
    n, state, next_us = places(sender, list, 1)
  end
  if next_us == 0 then
    local at = slot(list, 1)
    next_us = at > now_us + horizon and at - horizon or now_us
  end
  if held_up and sent == 0 then
    state, next_us = 'throttled', math.max(next_us, now_us + 1000000)
  end
  if next_us > now_us then
    refuse_waiting(sender, list, next_us)
  end
  if queue.all == 0 then
    return nil, 'ok', 0
  end
  local left, lane_us = queue.all + tonumber(s[10] or '0') + (extras[sender] or 0), lanes_wait(sender)
  if lane_us and lane_us > next_us then
    -- It is not the sender that waits: whatever else comes gives it a turn at once.
    call('ZADD', P .. 'delayed', int(math.ceil(lane_us / 1000)), TURN .. sender)
    return nil, 'throttled', left, lane_us
  end
  return next_us, state, left
end

-- What the sender's throttling has left of its rate, per second; '' = all of it.
local function effective_rate(s)
  local rate = ''
  for name in string.gmatch(s[1], '%S+') do
    local b = buckets[name]
    if b and b.slowed then
      rate = string.format('%.3g', 1000000 / b.interval)
    end
  end
  return rate
end

local function publish_state(sender, s, state, next_us, left)
  local b = buckets['sender:' .. sender]
  local used, rate = b and b.day_cap > 0 and b.used or 0, effective_rate(s)
  local line = state .. ' ' .. left .. ' ' .. used .. rate
  if s[5] == line and state ~= 'throttled' then
    return
  end
  local key = P .. 'sender:' .. sender
  call('HSET', key, 'state', state, 'waiting', left, '_shown', line, 'sent_today', int(used),
    'day_cap', b and int(b.day_cap) or '0', 'until', next_us and iso(math.floor(next_us / 1000))
    or '')
  if rate ~= '' then
    call('HSET', key, 'effective_rate', rate)
  elseif s[9] then
    call('HDEL', key, 'effective_rate')
  end
end

promote()
local due = call('ZRANGEBYSCORE', turn, '-inf', int(now_us), 'LIMIT', 0, 64)
for position, sender in ipairs(due) do
  if want + prefetch <= 0 then
    break
  end
  local s = tell('HMGET', P .. 'sender:' .. sender, '_buckets', 'state', '_ignore_suppressed',
    '_served', '_shown', '_by', '_pair', '_pairs_until', 'effective_rate', '_extra', '_in_lanes')
  if s.err then
    complain(P .. 'sender:' .. sender)
    call('ZADD', turn, int(now_us + 5000000), sender)
  elseif not s[1] then
    -- Nobody has configured it (Redis was emptied, or its sender was taken out): ask.
    unknown[#unknown + 1] = sender
    call('ZADD', turn, int(now_us + 5000000), sender)
  elseif s[2] == 'paused' or s[2] == 'broken' then
    call('ZREM', turn, sender)
    publish_state(sender, s, s[2], nil, waiting(sender))
  else
    rivals = #due - position
    local next_us, state, left, lane_us = serve(sender, s)
    if next_us then
      -- Those served now stand behind those still waiting.
      call('ZADD', turn, int(math.max(next_us, now_us) + position), sender)
    else
      call('ZREM', turn, sender)
    end
    publish_state(sender, s, state, next_us or lane_us, left)
  end
end
save_buckets()
for i = 1, #leased, 1000 do
  call('SADD', P .. 'lease:' .. W, unpack(leased, i, math.min(i + 999, #leased)))
end

bulks_write()
local next_us = next_due()
if next_us > 0 and next_us <= now_us + 1000 and want <= 0 then
  -- More is due than this worker has room for: another one may come.
  call('PUBLISH', P .. 'bell', 'claim')
end
out[3] = int(next_us)
return out
