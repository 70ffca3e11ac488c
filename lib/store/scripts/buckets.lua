-- buckets: in front of the scripts that take from buckets (claim) or give back (finish, recover).
--
-- A rate is GCRA (ITU-T I.371): `tat` is the theoretical arrival time of the next send. A send may
-- start at max(now, tat - tolerance) and moves tat by one interval. A strict rate has tolerance 0; a
-- token bucket of depth B has (B - 1) intervals. With several buckets every send's time is the
-- latest over all, and every tat moves from that time: so each bucket sees the times at which the
-- sends really happen. A message of u units needs u tokens, or a full bucket if that is less deep,
-- and costs u intervals.
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

local function open_day(b)
  local start, stop = day_of(b.zone)
  b.day_next = stop and stop * 1000
  -- A clock that stepped back into yesterday does not open yesterday's count again.
  if start and start > b.day_start then
    b.day_start, b.used = start, 0
  end
end

-- A bucket with its state, read once per call; false = there is none of this name.
local function bucket(name)
  local b = buckets[name]
  if b == nil then
    local key = P .. 'bucket:' .. name
    local v = tell('HMGET', key, 'interval', 'tolerance', 'day_cap', 'zone', 'conc', 'units', 'tat',
      'day_start', 'used', 'busy', 'pause')
    b = false
    if v[1] then
      local units = tonumber(v[6] or '0')
      b = { key = key, interval = tonumber(v[1]), tolerance = tonumber(v[2]),
        day_cap = tonumber(v[3]), zone = v[4], conc = tonumber(v[5]), rate_units = units % 2 == 1,
        day_units = units >= 2, tat = tonumber(v[7] or '0'), day_start = tonumber(v[8] or '0'),
        used = tonumber(v[9] or '0'), busy = tonumber(v[10] or '0'),
        pause = tonumber(v[11] or '0') }
      if b.day_cap > 0 then
        open_day(b)
      end
    end
    buckets[name] = b
  end
  return b
end

-- How many messages may go by pauses and places; why, and when to look again, if none.
local function places(list, n)
  for _, b in ipairs(list) do
    if b.pause > now_us then
      return 0, 'throttled', b.pause
    end
    if b.conc > 0 and b.conc - b.busy < n then
      n = math.max(0, b.conc - b.busy)
      if n == 0 then
        -- Whoever finishes gives the turn back; this is only the safety net.
        return 0, 'throttled', now_us + 1000000
      end
    end
  end
  return n, 'ok', 0
end

-- How many messages of one unit the days have room for, of n; when there is more, if for none.
local function day_room(list, n)
  local next_us
  for _, b in ipairs(list) do
    if b.day_cap > 0 then
      local left = b.day_next and math.max(0, b.day_cap - b.used) or 0
      if left < n then
        n = left
        next_us = b.day_next or now_us + 1000000
      end
    end
  end
  return n, next_us
end

-- Whether u units fit into every day, and if not, when there is more. What is more than a whole
-- day's cap (which was lowered since it was accepted) may have a day of its own.
local function fits_day(list, u)
  for _, b in ipairs(list) do
    if b.day_units and b.day_cap > 0 and b.used > 0 and b.used + u > b.day_cap then
      return false, b.day_next
    end
  end
  return true
end

-- When a message of u units may start by every rate.
local function slot(list, u)
  local at = now_us
  for _, b in ipairs(list) do
    if b.interval > 0 then
      local first = b.tat - b.tolerance
      if b.rate_units then
        first = math.min(b.tat, first + (u - 1) * b.interval)
      end
      at = math.max(at, first)
    end
  end
  return at
end

-- Counts a message in hand, without its tokens.
local function hold(list, u)
  for _, b in ipairs(list) do
    b.used = b.used + (b.day_units and u or 1)
    b.busy = b.busy + 1
    b.dirty = true
  end
end

local function spend(list, at, u)
  for _, b in ipairs(list) do
    if b.interval > 0 then
      b.tat = math.max(b.tat, at) + (b.rate_units and u or 1) * b.interval
    end
  end
  hold(list, u)
end

local function save_buckets()
  for _, b in pairs(buckets) do
    if b and b.dirty then
      call('HSET', b.key, 'tat', int(b.tat), 'day_start', int(b.day_start), 'used', int(b.used),
        'busy', int(b.busy))
    end
  end
end

-- Whether a lease's use was counted in the day that its bucket counts now: a refund of yesterday's
-- would raise today's cap. RFC 3339 texts of one zone compare like their times.
local function is_today(b, leased_at)
  return leased_at and leased_at >= iso(b.day_start)
end

-- Gives up `places` of concurrency in a sender's buckets; `refunds` are the sends that never left,
-- as { leased_at, units }: they do not count for the day. A sender that waited for the free place
-- gets its turn now.
local function give_back(sender, freed, refunds)
  local names = tell('HGET', P .. 'sender:' .. sender, '_buckets')
  for name in string.gmatch(type(names) == 'string' and names or 'sender:' .. sender, '%S+') do
    local b = bucket(name)
    if b then
      if b.conc > 0 and b.busy >= b.conc then
        call('ZADD', P .. 'turn', 'XX', 'LT', int(now_us), sender)
      end
      b.busy = math.max(0, b.busy - freed)
      for _, r in ipairs(refunds) do
        if is_today(b, r[1]) then
          b.used = math.max(0, b.used - (b.day_units and r[2] or 1))
        end
      end
      b.dirty = true
    end
  end
end
