-- buckets: in front of the scripts that take from buckets (claim) or give back (finish, recover).
--
-- A rate is GCRA (ITU-T I.371): `tat` is the theoretical arrival time of the next send. A send may
-- start at max(now, tat - tolerance) and moves tat by one interval. A strict rate has tolerance 0; a
-- token bucket of depth B has (B - 1) intervals. With several buckets every send's time is the
-- latest over all, and every tat moves from that time: so each bucket sees the times at which the
-- sends really happen. A message of u units needs u tokens, or a full bucket if that is less deep,
-- and costs u intervals.
--
-- A sender's own bucket, its account's, those of its only channel and its tenant, and the global one
-- are its list: what is over a limit there waits in the sender's queue. See own_time for the rest.
local zones, buckets = {}, {}

-- The start of the day that `now` falls in, and of the next; nothing where the bounds do not
-- cover Redis' time (the caller's clock is a day off): then nothing is granted.
local function day_of(zone)
  local b = zones[zone]
  if b then
    for i = 1, 3 do
      if now >= b[i] and now < b[i + 1] then
        return b[i], b[i + 1]
      end
    end
  end
end

-- A rolling day is counted in slots of a quarter of an hour, "slot:count ..." in `ring`. A send
-- counts from its slot's beginning until 24 hours after its end: never too short, and at most one
-- slot too long.
local SLOT_MS, DAY_SLOTS = 900000, 96
-- What is granted may start that much later: the longest horizon and jitter there are.
local GRANT_MS = 2000

local function slot_of(ms)
  return math.floor((ms + GRANT_MS) / SLOT_MS)
end

local function open_ring(b, text)
  local first, oldest = math.floor(now / SLOT_MS) - DAY_SLOTS, nil
  b.ring, b.used = {}, 0
  for at, n in string.gmatch(text or '', '(%d+):(%d+)') do
    at, n = tonumber(at), tonumber(n)
    if at >= first then
      b.ring[at], b.used = n, b.used + n
      oldest = math.min(oldest or at, at)
    end
  end
  b.day_next = ((oldest or first) + DAY_SLOTS + 1) * SLOT_MS * 1000
end

local function ring_text(ring)
  local text = {}
  for at, n in pairs(ring) do
    text[#text + 1] = n > 0 and int(at) .. ':' .. int(n) or nil
  end
  return table.concat(text, ' ')
end

local function open_day(b, ring)
  if b.zone == 'rolling' then
    return open_ring(b, ring)
  end
  local start, stop = day_of(b.zone)
  b.day_next = stop and stop * 1000
  -- A clock that stepped back into yesterday does not open yesterday's count again.
  if start and start > b.day_start then
    b.day_start, b.used = start, 0
  end
end

-- What a provider's answers say of its limits and health. `trouble`: "<errors in a row> <factor>
-- <when it throttled last, ms> <interval of the full rate, us>".
--
-- A provider that throttles again and again gets its rate halved each time, and all of it back
-- evenly over five minutes (AIMD): `factor` is what was left when it throttled last. Five minutes,
-- since providers count by the second or the minute.
--
-- `trip`: "<errors> <pause ms> <longest ms>". After so many errors in a row the sender pauses, then
-- a single message goes to see; if that is an error too, the pause is twice as long.
local RECOVERY_MS, LEAST_FACTOR = 300000, 1 / 64

local function factor_now(b)
  return math.min(1, b.factor + (now - b.throttled_at) / RECOVERY_MS)
end

local function open_trouble(b, trip, trouble)
  local errors, pause, longest = string.match(trip or '', '^(%d+) (%d+) (%d+)$')
  local fails, factor, at, full = string.match(trouble or '', '^(%d+) ([%d.]+) (%d+) (%d+)$')
  b.trip, b.trip_pause, b.trip_max = tonumber(errors or '0'), tonumber(pause), tonumber(longest)
  b.fails, b.factor = tonumber(fails or '0'), tonumber(factor or '1')
  b.throttled_at, b.full = tonumber(at or '0'), b.interval
  if b.factor < 1 and factor_now(b) < 1 then
    b.full = b.interval > 0 and b.interval or tonumber(full)
    b.slowed = factor_now(b)
    b.interval = b.full / b.slowed
  end
end

-- The rate at which a bucket without one is used, seen over a second or two: what the factor is of
-- once its provider throttles. `pace`: "<since us> <sends since then> <interval seen, us>".
local function open_pace(b, pace)
  local since, n, seen = string.match(pace or '', '^(%d+) (%d+) (%d+)$')
  b.since, b.sends, b.seen = tonumber(since or '0'), tonumber(n or '0'), tonumber(seen or '0')
  if now_us - b.since > 2000000 then
    b.since, b.sends = now_us, 0
  elseif now_us - b.since > 1000000 and b.sends > 0 then
    b.seen = (now_us - b.since) / b.sends
    b.since, b.sends = now_us, 0
  end
end

local function pace_text(b)
  return int(b.since) .. ' ' .. int(b.sends) .. ' ' .. int(b.seen)
end

-- A field to be written with the others.
local function note(b, field, value)
  b.notes = b.notes or {}
  table.insert(b.notes, field)
  table.insert(b.notes, value)
  b.dirty = true
end

local function note_trouble(b)
  note(b, 'trouble', string.format('%d %.4f %.0f %.0f', b.fails, b.factor, b.throttled_at, b.full))
end

local function throttled(b)
  b.factor = now - b.throttled_at < RECOVERY_MS and math.max(LEAST_FACTOR, factor_now(b) / 2) or 1
  b.throttled_at = now
  if b.full == 0 then
    b.full = b.seen > 0 and b.seen or math.max(1000, now_us - b.since) / math.max(1, b.sends)
  end
  note_trouble(b)
end

-- One outcome of a sender: true, if it stops it for a while: returns until when (us).
local function judge(b, well)
  if b.trip == 0 or (well and b.fails == 0) then
    return nil
  elseif well then
    b.fails, b.judged = 0, true
  elseif b.fails >= b.trip and b.pause > now_us then
    return nil -- sent before it was stopped
  else
    b.fails = b.fails + 1
  end
  note_trouble(b)
  if b.fails >= b.trip then
    local pause = math.min(b.trip_max, b.trip_pause * 2 ^ math.min(30, b.fails - b.trip))
    b.pause = math.max(b.pause, now_us + pause * 1000)
    note(b, 'pause', int(b.pause))
    return b.pause
  end
end

local BUCKET = { 'interval', 'tolerance', 'day_cap', 'zone', 'conc', 'units', 'tat', 'day_start',
  'used', 'busy', 'pause', 'line', 'ring', 'trip', 'trouble', 'pace', 'count' }

-- The limits and state of a bucket's hash. A tenant without limits of its own has those of all.
local function read_bucket(name)
  local v = tell('HMGET', P .. 'bucket:' .. name, unpack(BUCKET))
  if not v[1] and not v.err and string.sub(name, 1, 7) == 'tenant:' then
    local all = tell('HMGET', P .. 'bucket:tenant:*', unpack(BUCKET, 1, 6))
    for k = 1, 6 do
      v[k] = all[k]
    end
    v.borrowed = true
  elseif v.err then
    complain(P .. 'bucket:' .. name)
  end
  return v
end

-- A bucket with its state, read once per call; false = there is none of this name.
local function bucket(name)
  local b = buckets[name]
  if b == nil then
    local v = read_bucket(name)
    b = false
    if v[1] then
      local units = tonumber(v[6] or '0')
      b = { key = P .. 'bucket:' .. name, interval = tonumber(v[1]), tolerance = tonumber(v[2]),
        day_cap = tonumber(v[3]), zone = v[4], conc = tonumber(v[5]), rate_units = units % 2 == 1,
        day_units = units >= 2, tat = tonumber(v[7] or '0'), day_start = tonumber(v[8] or '0'),
        used = tonumber(v[9] or '0'), busy = tonumber(v[10] or '0'),
        pause = tonumber(v[11] or '0'), line = tonumber(v[12] or '0'), borrowed = v.borrowed,
        count = tonumber(v[17] or '1'),
        waiters = string.sub(name, 1, 7) ~= 'sender:' and P .. 'waiters:' .. name,
        parked = P .. 'parked:' .. name }
      if b.day_cap > 0 then
        open_day(b, v[13])
      end
      if b.interval == 0 then
        open_pace(b, v[16])
      end
      open_trouble(b, v[14], v[15])
    end
    buckets[name] = b
  end
  return b
end

-- The bucket of a sender and one recipient: a string "tat line pause" that is gone when it says
-- nothing any more, so that there are as many as recipients lately sent to.
local function pair(sender, rate, recipient)
  local key = P .. 'pair:' .. sender .. ':' .. redis.sha1hex(recipient)
  if not buckets[key] then
    local state = tell('GET', key)
    local tat, line, pause = string.match(type(state) == 'string' and state or '',
      '^(%d+) (%d+) (%d+)$')
    local interval, tolerance = string.match(rate, '^(%d+) (%d+)$')
    buckets[key] = { key = key, pair = true, interval = tonumber(interval or '0'),
      tolerance = tonumber(tolerance or '0'), day_cap = 0, conc = 0, busy = 0, used = 0, count = 1,
      tat = tonumber(tat or '0'), line = tonumber(line or '0'), pause = tonumber(pause or '0') }
  end
  return buckets[key]
end

-- The buckets of a message's channel and of its job's tenant, as far as its sender does not have
-- them anyway: `by` says of which kinds there are any, 'c' and 't'.
local function own_buckets(by, channel, tenant)
  local own = {}
  if by and by ~= '' then
    own[1] = channel and string.find(by, 'c', 1, true) and bucket('channel:' .. channel) or nil
    own[#own + 1] = tenant and string.find(by, 't', 1, true) and bucket('tenant:' .. tenant) or nil
  end
  return own
end

-- How many of n messages a bucket has places for. Places that senders share are shared evenly with
-- those who wait for one: `rivals` are the senders whose turn comes next in this call.
local rivals = 0
local function free_places(b, n)
  local free = b.conc > 0 and math.max(0, b.conc - b.busy) or n
  if b.fails >= b.trip and b.trip > 0 then
    free = math.max(0, 1 - b.busy) -- one goes to see
  end
  if free > 1 and free < n and b.waiters then
    free = math.max(1, math.floor(free / (1 + rivals + (ask('ZCARD', b.waiters) or 0))))
  end
  return math.min(n, free)
end

-- How many messages may go by pauses and places; why, and when to look again, if none.
local function places(sender, list, n)
  for _, b in ipairs(list) do
    if b.pause > now_us then
      return 0, 'throttled', b.pause
    end
    if b.conc > 0 or b.trip > 0 then
      n = free_places(b, n)
      if n == 0 then
        -- Whoever finishes gives the turn back; this is only the safety net. Of a place that senders
        -- share, the one who has waited longest gets it.
        if b.waiters then
          ask('ZADD', b.waiters, 'NX', int(now_us), sender)
        end
        return 0, 'throttled', now_us + 1000000
      end
    end
  end
  return n, 'ok', 0
end

-- How many messages of one unit the days have room for, of n; when there is more, if for none.
local function day_room(list, n)
  local next_us, scarce
  for _, b in ipairs(list) do
    if b.day_cap > 0 then
      local left = b.day_next and math.max(0, b.day_cap - b.used) or 0
      if left < n then
        n, scarce = left, b
        next_us = b.day_next or now_us + 1000000
      end
    end
  end
  return n, next_us, scarce
end

-- Whether u units fit into every day, and if not, when there is more. What is more than a whole
-- day's cap (which was lowered since it was accepted) may have a day of its own.
local function fits_day(list, u)
  for _, b in ipairs(list) do
    if b.day_units and b.day_cap > 0 and b.used > 0 and b.used + u > b.day_cap then
      return false, b.day_next, b
    end
  end
  return true
end

-- When a message of u units may start by a bucket's rate.
local function free_at(b, u)
  local first = b.tat - b.tolerance
  if b.rate_units then
    first = math.min(b.tat, first + (u - 1) * b.interval)
  end
  return first
end

-- ... and by those of all.
local function slot(list, u, earliest)
  local at = earliest or now_us
  for _, b in ipairs(list) do
    if b.interval > 0 then
      at = math.max(at, free_at(b, u))
    end
  end
  return at
end

-- A bucket's limit, what is left of it and when it is whole again (us), as answers tell it.
local function rate_left(b)
  local limit = b.tolerance > 0 and math.floor(b.tolerance / b.interval) + 1 or b.count
  local left = math.floor((now_us - b.tat) / b.interval) + limit
  return limit, math.min(limit, math.max(0, left)), math.max(now_us, b.tat)
end

-- The same of the bucket that has the least left, "<limit>/<left>/<reset s>"; '' = no limits.
local function quota(list)
  local text, least = '', math.huge
  local function look(limit, left, reset_us)
    if left < least then
      least = left
      text = int(limit) .. '/' .. int(left) .. '/' .. int(math.ceil(reset_us / 1000000))
    end
  end
  for _, b in ipairs(list) do
    if b.interval > 0 then
      look(rate_left(b))
    end
    if b.day_cap > 0 and b.day_next then
      look(b.day_cap, math.max(0, b.day_cap - b.used), b.day_next)
    end
  end
  return text
end

-- Counts a message of u units (or several, of u together) for the day, without its tokens.
local function count_use(list, u, several)
  for _, b in ipairs(list) do
    local n = b.day_units and u or several or 1
    b.used, b.dirty = b.used + n, true
    b.sends = b.sends and b.sends + (several or 1)
    if b.ring then
      b.ring[slot_of(now)] = (b.ring[slot_of(now)] or 0) + n
    end
  end
end

local function spend(list, at, u)
  for _, b in ipairs(list) do
    if b.interval > 0 then
      b.tat = math.max(b.tat, at) + (b.rate_units and u or 1) * b.interval
    end
  end
  count_use(list, u)
end

local function occupy(list, n)
  for _, b in ipairs(list) do
    b.busy = b.busy + (n or 1)
  end
end

-- The buckets that are a message's own - its recipient's, channel's and job's tenant's - do not hold
-- up what waits behind it in its sender's queue: over a limit there, it leaves the queue and comes
-- back later. `line` is the end of the line of those that wait so: each comes at a time of its own,
-- in order, and not all at once. Who comes from the line may take a slot ahead, up to `latest`; who
-- comes new stands behind it.
-- Returns when the message may go, and if that is not now, when it comes back, and the bucket why.
local function own_time(own, u, at, lined, latest)
  local fits, later, why = fits_day(own, u)
  local room, full, scarce = day_room(own, 1)
  if not fits or room == 0 then
    return nil, later or full, why or scarce
  end
  local free, due, last = at, at, nil
  for _, b in ipairs(own) do
    local first = math.max(b.interval > 0 and free_at(b, u) or 0, b.pause)
    free = math.max(free, first)
    if math.max(first, b.line) > due then
      due, last = math.max(first, b.line), b
    end
  end
  if not last or (lined and free <= latest) then
    return free
  end
  last.line, last.dirty = due + last.interval, true
  return nil, due, last
end

local function save_pair(b)
  local last = math.max(b.tat, b.line, b.pause)
  if last > now_us then
    call('SET', b.key, int(b.tat) .. ' ' .. int(b.line) .. ' ' .. int(b.pause), 'PX',
      int((last - now_us) / 1000 + 1))
  end
end

-- Of those that borrow their limits there may be many: one that nobody uses goes.
local BORROWED_MS = 2 * 86400000

local function save_buckets()
  for _, b in pairs(buckets) do
    if b and b.dirty and b.pair then
      save_pair(b)
    elseif b and b.dirty then
      if b.ring then
        note(b, 'ring', ring_text(b.ring))
      end
      if b.line > now_us then
        note(b, 'line', int(b.line))
      end
      if b.sends then
        note(b, 'pace', pace_text(b))
      end
      call('HSET', b.key, 'tat', int(b.tat), 'day_start', int(b.day_start), 'used', int(b.used),
        'busy', int(b.busy), unpack(b.notes or {}))
      if b.borrowed then
        call('PEXPIRE', b.key, BORROWED_MS)
      end
    end
  end
end

-- Unix ms of an RFC 3339 text as iso() writes it.
local function ms_of(text)
  local y, m, d, h, min, s, ms = string.match(text, '^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)%.(%d+)Z$')
  if m <= '02' then
    y = y - 1
  end
  local era = math.floor(y / 400)
  local doy = math.floor((153 * ((m + 9) % 12) + 2) / 5) + d - 1
  local yoe = y - era * 400
  local doe = yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy
  return (((era * 146097 + doe - 719468) * 24 + h) * 60 + min) * 60000 + s * 1000 + ms
end

-- Who waits for the end of a day that others use as well goes earlier when some of it is given back:
-- `parked:<bucket>` has senders ('~' in front), lanes ('=' before their sender, its class and their
-- name) and messages by when (us) they are due anyway.
local function park_for_day(b, who, due)
  if b.waiters and b.day_cap > 0 and due == b.day_next and tell('ZADD', b.parked, int(due), who) == 1 then
    call('PEXPIREAT', b.parked, int(math.ceil(due / 1000)))
  end
end

-- A lane that is parked may be served again, if it still waits: 1, else 0.
local function wake_lane(sender, class, lane)
  if tell('ZADD', lanes_key(sender, class), 'XX', 'LT', 'CH', int(now_us), lane) ~= 1 then
    return 0
  end
  call('ZADD', P .. 'turn', 'LT', int(now_us), sender)
  return 1
end

-- n units of its day were given back: as many of those may go, who still wait.
local function unpark(b, n)
  local from = '(' .. int(now_us)
  repeat
    local all = tell('ZRANGEBYSCORE', b.parked, from, '+inf', 'LIMIT', 0, math.min(n, 1000))
    for _, who in ipairs(all) do
      tell('ZREM', b.parked, who)
      if string.sub(who, 1, 1) == '~' then
        n = n - call('ZADD', P .. 'turn', 'XX', 'LT', 'CH', int(now_us), string.sub(who, 2))
      elseif string.sub(who, 1, 1) == '=' then
        n = n - wake_lane(string.match(who, '^=(%S+) (%d)/(.+)$'))
      else
        n = n - call('ZADD', P .. 'delayed', 'XX', 'LT', 'CH', int(now), who)
      end
    end
  until n <= 0 or #all == 0
end

-- Gives a send that never left back to the day it was counted in. Not to another: a refund of
-- yesterday's would raise today's cap. RFC 3339 texts of one zone compare like their times.
local function refund(b, r)
  local n = b.day_units and r.units or 1
  if n == 0 then
    return -- given back already
  end
  if b.ring and r.leased_at then
    local at = slot_of(ms_of(r.leased_at))
    n = math.min(n, b.ring[at] or 0)
    b.ring[at] = n > 0 and b.ring[at] - n or nil
  elseif not r.leased_at or r.leased_at < iso(b.day_start) then
    return
  end
  b.used, b.dirty = math.max(0, b.used - n), true
  if b.waiters and b.day_cap > 0 then
    unpark(b, n)
  end
end

-- Gives the turn to those who waited for places of a full bucket.
local function wake(b, sender, freed)
  local woken = b.waiters and tell('ZPOPMIN', b.waiters, freed) or { sender, 0 }
  for k = 1, #woken, 2 do
    call('ZADD', P .. 'turn', 'XX', 'LT', int(now_us), woken[k])
  end
end

-- Gives up `freed` places of concurrency in a sender's buckets. `refunds` are the sends that never
-- left, each { leased_at, units, channel, tenant }: they do not count for the day. A sender that
-- waited for the free place gets its turn now.
local function give_back(sender, freed, refunds)
  local s = tell('HMGET', P .. 'sender:' .. sender, '_buckets', '_by')
  for name in string.gmatch(s[1] or 'sender:' .. sender, '%S+') do
    local b = bucket(name)
    if b then
      if (b.conc > 0 and b.busy >= b.conc) or (b.trip > 0 and b.judged) then
        wake(b, sender, freed)
      end
      b.busy, b.dirty = math.max(0, b.busy - freed), true
      if #refunds > 0 and b.day_cap > 0 and (b.day_units or b.used >= b.day_cap) then
        call('ZADD', P .. 'turn', 'XX', 'LT', int(now_us), sender)
      end
      for _, r in ipairs(refunds) do
        refund(b, r)
      end
    end
  end
  for _, r in ipairs(refunds) do
    for _, b in ipairs(own_buckets(s[2], r.channel, r.tenant)) do
      refund(b, r)
    end
  end
end
