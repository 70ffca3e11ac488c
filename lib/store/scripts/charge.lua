-- charge: what recipients of a bulk cost besides the one token that their claim took, as far as it
-- shows only once they are looked up: the rates to them, and the units of their messages.
-- After buckets.lua.
-- ARGV: 4 sender, 5 horizon us, 6 zones as for claim; then per recipient: slot_us (0 = none) units
-- recipients (with commas).
-- Returns {'ok', per recipient: when it may start (us), or minus when it is to be tried again}.
-- Further units come after what is granted already: their message starts that much later, and
-- whatever is claimed from now on after it. What is to be tried again has lost its token, but a
-- day that counts units gets its one back here: those behind it may need that.
allow_oom()
if fenced() then
  return { 'fenced' }
end
local sender, horizon, out, i = ARGV[4], tonumber(ARGV[5]), { 'ok' }, 7
for _ = 1, tonumber(ARGV[6]) do
  zones[ARGV[i]] = { tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]),
    tonumber(ARGV[i + 4]) }
  i = i + 5
end
local s = tell('HMGET', P .. 'sender:' .. sender, '_buckets', '_pair', '_pairs_until')
local by_pair = (s[2] or '') ~= '' or tonumber(s[3] or '0') > now_us
local by_rate, by_day = {}, {}
for name in string.gmatch(s[1] or '', '%S+') do
  local b = bucket(name)
  by_rate[#by_rate + 1] = b and b.rate_units and b.interval > 0 and b or nil
  by_day[#by_day + 1] = b and b.day_units and b.day_cap > 0 and b or nil
end

-- When days have room for `more` units, if not now. Their own one is counted already; what is more
-- than a whole day's cap may have a day of its own.
local function day_full(more)
  for _, b in ipairs(by_day) do
    if b.used > 1 and b.used + more > b.day_cap then
      return b.day_next or now_us + 1000000
    end
  end
end

local function count_more(more)
  for _, b in ipairs(by_day) do
    b.used, b.dirty = b.used + more, true
    if b.ring then
      b.ring[slot_of(now)] = math.max(0, (b.ring[slot_of(now)] or 0) + more)
    end
  end
end

local function spend_more(at, more)
  for _, b in ipairs(by_rate) do
    b.tat, b.dirty = math.max(b.tat, at) + more * b.interval, true
  end
  count_more(more)
end

local function charge(at, units, recipients)
  local own, full = {}, units > 1 and day_full(units - 1)
  if full then
    count_more(-1)
    return -full
  end
  for recipient in string.gmatch(by_pair and recipients or '', '[^,]+') do
    own[#own + 1] = pair(sender, s[2] or '', recipient)
  end
  if units > 1 then
    at = slot(by_rate, units - 1, at)
  end
  local free, later = own_time(own, units, at, true, math.max(at, now_us + horizon))
  if not free or free > math.max(at, now_us + horizon) then
    count_more(-1)
    return -(later or free)
  end
  spend(own, free, units)
  spend_more(free, units - 1)
  return free
end

while i + 2 <= #ARGV do
  out[#out + 1] = int(charge(math.max(now_us, tonumber(ARGV[i])), tonumber(ARGV[i + 1]), ARGV[i + 2]))
  i = i + 3
end
save_buckets()
return out
