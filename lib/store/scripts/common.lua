-- Prelude of every script. KEYS[1] is "<namespace>:"; ARGV[1] the worker's id, ARGV[2] the events
-- mode, ARGV[3] the event stream's cap. Rules: Redis' own TIME only; everything is checked before
-- the first write, since a script that fails midway keeps what it wrote; job JSON is never parsed.
local P, W, EV, EVMAX = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local call = redis.call
local T = call('TIME')
local now_us = T[1] * 1000000 + T[2]
local now = math.floor(now_us / 1000)

-- Integers as text: Lua would print 1.7e15. Formatting is dear, and many are asked for twice.
local ints = {}
local function int(n)
  local text = ints[n]
  if not text then
    text = string.format('%d', n + 0.5 - (n + 0.5) % 1)
    ints[n] = text
  end
  return text
end

-- RFC 3339 UTC with milliseconds (days to civil date after Howard Hinnant's algorithm).
local function iso(ms)
  local days = math.floor(ms / 86400000)
  local rest = ms - days * 86400000
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
    - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local d = doy - math.floor((153 * mp + 2) / 5) + 1
  local m = mp < 10 and mp + 3 or mp - 9
  local y = yoe + era * 400 + (m <= 2 and 1 or 0)
  local s = math.floor(rest / 1000)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', y, m, d, math.floor(s / 3600),
    math.floor(s / 60) % 60, s % 60, rest % 1000)
end
local now_iso = iso(now)

-- A script that fails midway keeps what it wrote, so that a key of another type, which somebody else
-- must have written, has to fail it before: those that all messages share are looked at first, and
-- what is only told to others (events, timelines, replies) is left out where it cannot be written.
local function check_types()
  call('XLEN', P .. 'rejected')
  for _, key in ipairs({ 'delayed', 'dead', 'turn', 'expand' }) do
    call('ZCARD', P .. key)
  end
end
local tell = redis.pcall

-- Other keys of another type hold up only what needs them, and are complained of: by claim, which
-- meets them whenever something waits, and by configure.
local complaints = {}
local function complain(key)
  if not complaints[key] and #complaints < 4 then
    complaints[key] = true
    complaints[#complaints + 1] = 'WRONGTYPE ' .. key .. ' is a ' .. call('TYPE', key).ok
      .. ': what needs it waits (sendqctl fsck)'
  end
end

-- The number that a command gives; nothing where its key has another type.
local function ask(command, key, ...)
  local n = tell(command, key, ...)
  if type(n) == 'number' then
    return n
  end
  complain(key)
end

-- One entry in the event stream; `final` ones are kept in the default mode too.
local function event(final, type, ...)
  if EV == 'all' or (final and EV == 'final') then
    tell('XADD', P .. 'events', 'MAXLEN', '~', EVMAX, '*', 'type', type, 'at', now_iso, ...)
  end
end

-- Recording, renewing and sending must go on when Redis is at its maxmemory: once a script has
-- written, Redis lets it write on (6.2 and 7 alike), and a DEL is always admitted.
local function allow_oom()
  call('DEL', P .. 'oom')
end

-- A worker whose lease ran out may neither take nor claim.
local function fenced()
  local lease = call('ZSCORE', P .. 'workers', W)
  return not lease or tonumber(lease) <= now
end

-- The queue a message waits in: one per sender and class, which its field `_priority` tells ('2' where
-- it has none): 1 high, 2 normal, 3 low; 4, 5, 6 the same for MARKETING, which never delays the
-- others; 0 for those that fail rather than wait for a limit.
--
-- A class may have a lane behind it, '2/acme': the tenant of a job, on a sender of others ('@sms': of
-- a bulk without one, on a sender of several channels). What is in a lane has a queue of its own, and
-- the lanes of a class take turns: the zset `lanes:<sender>:<class>` has those in which anything
-- waits, by when (us) each was served last, or may be served next. The sender's `_in_lanes` counts
-- all their elements, so that senders without lanes need not look.
local LAST_CLASS = 6
local function ready_key(sender, priority)
  return P .. 'ready:' .. sender .. ':' .. priority
end

local function lanes_key(sender, class)
  return P .. 'lanes:' .. sender .. ':' .. class
end

-- n elements come to a queue, or leave it. False = its lane cannot be written. Names of senders hold
-- no colon.
local function enter_lane(queue, n)
  local sender, class, lane = string.match(queue, '^([^:]*):(%d)/(.+)$', #P + 7)
  return not lane or (ask('ZADD', lanes_key(sender, class), 'NX', int(now_us), lane)
    and ask('HINCRBY', P .. 'sender:' .. sender, '_in_lanes', n)) ~= nil
end

-- Puts messages into a queue. A queue that cannot be written, since somebody made another type of it
-- or of the class' lanes, must not fail the script midway: they wait in the delayed set, and are
-- tried again. True if they are in the queue.
local function put(verb, queue, ids)
  if enter_lane(queue, #ids) then
    if ask(verb, queue, unpack(ids)) then
      return true
    end
    enter_lane(queue, -#ids)
  end
  for _, id in ipairs(ids) do
    if not string.find(id, '^[*+]') then -- else references of a bulk
      call('HSET', P .. 'message:' .. id, 'status', 'scheduled', 'next_attempt_at',
        iso(now + 60000))
    end
    call('ZADD', P .. 'delayed', int(now + 60000), id)
  end
end

-- How many messages of a sender wait for their turn; of a bulk many in one element (refs.lua).
local function waiting(sender)
  local more = tell('HMGET', P .. 'sender:' .. sender, '_extra', '_in_lanes')
  local n = tonumber(more[1] or '0') + tonumber(more[2] or '0')
  for priority = 0, LAST_CLASS do
    local len = tell('LLEN', ready_key(sender, priority))
    n = n + (type(len) == 'number' and len or 0)
  end
  return n
end

-- Makes a sender's turn come: at once, unless it stands in the turn already (perhaps later,
-- because of a cap). True if it did not.
local function give_turn(sender, class)
  if class == '0' then -- is told at once that it has to wait
    call('ZADD', P .. 'turn', 'LT', int(now_us), sender)
    return true
  end
  return call('ZADD', P .. 'turn', 'NX', int(now_us), sender) == 1
end

-- A raw job that becomes no message: its bytes, and why.
local function refuse_raw(raw, code, text)
  call('XADD', P .. 'rejected', '*', 'raw', raw, 'error_code', code, 'error_message', text, 'at',
    now_iso)
  event(true, 'job.rejected', 'error_code', code)
end

-- How many workers died while they held this raw job unaccepted (hash of SHA-1 by count, forgotten
-- an hour after the last death): one of a batch may be what kills them.
local function deaths_of(raw)
  local n = tell('HGET', P .. 'suspects', redis.sha1hex(raw))
  return type(n) == 'string' and tonumber(n) or 0
end

-- Counts one more death. True when that is one too many: the job is refused then.
local function condemn(raw, max_deaths)
  local n = tell('HINCRBY', P .. 'suspects', redis.sha1hex(raw), 1)
  call('PEXPIRE', P .. 'suspects', 3600000)
  if type(n) ~= 'number' or n < max_deaths then
    return false
  end
  refuse_raw(raw, 'validation_error', int(n) .. ' workers died while they held this job')
  call('HDEL', P .. 'suspects', redis.sha1hex(raw))
  return true
end

-- Puts raw jobs of one worker's claimed list back where they came from, in their order.
-- The list's first element is its tag, "<batch>:<high>:<normal>:<low>": how many of each.
-- max_deaths: the worker died, and this many deaths are too many for a job; nothing = it did not.
-- Returns how many; nothing = a job list has another type: all stays until that is mended.
local function unclaim(worker, max_deaths)
  local key = P .. 'claimed:' .. worker
  local all = call('LRANGE', key, 0, -1)
  if #all == 0 then
    return 0
  end
  for _, list in ipairs({ 'jobs:high', 'jobs', 'jobs:low' }) do
    if type(tell('LLEN', P .. list)) == 'table' then
      return nil
    end
  end
  local high, normal = string.match(all[1], '^[^:]*:(%d+):(%d+):')
  local first_normal = 2 + tonumber(high)
  local first_low = first_normal + tonumber(normal)
  for i = #all, 2, -1 do
    local list = i >= first_low and 'jobs:low' or i >= first_normal and 'jobs' or 'jobs:high'
    if not max_deaths or not condemn(all[i], max_deaths) then
      call('RPUSH', P .. list, all[i])
    end
  end
  call('DEL', key)
  return #all - 1
end

-- A leased message goes back to the head of its queue. `counted` = its attempt stands.
local function release(id, sender, priority, attempts, counted)
  local key = P .. 'message:' .. id
  call('HSET', key, 'status', 'queued', 'attempts',
    counted and attempts or int(math.max(0, tonumber(attempts or '0') - 1)))
  if counted then -- it may have been sent
    call('HSET', key, '_unsure', '1')
  end
  put('LPUSH', ready_key(sender, priority or '2'), { id })
  give_turn(sender, priority)
end

-- When the next sender's turn or the next delayed message is due, in us; 0 = nothing waits.
local function next_due()
  local turn = call('ZRANGE', P .. 'turn', 0, 0, 'WITHSCORES')
  local delayed = call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')
  local at = turn[2] and tonumber(turn[2]) or 0
  local due = delayed[2] and tonumber(delayed[2]) * 1000 or 0
  if at == 0 or due == 0 then
    return at + due
  end
  return math.min(at, due)
end
