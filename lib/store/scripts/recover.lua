-- recover: renews this worker's lease, and brings back what dead workers held. Any worker runs it.
-- After buckets.lua, refs.lua.
-- ARGV: 4 lease ms, 5 worker name, 6 'new' (register) | 'beat', 7 earlier identities of this very
-- process to retire, separated by spaces, 8 how many leases to keep from them, then id and fence of
-- each; then the count of worker fields and field value ...; then retention ms of rejected and of
-- dead, and how many workers' deaths are too many for a raw job.
-- Returns {'ok', now_us, next_us, recovered jobs, recovered messages, '1' = call again soon, since
-- there is more to bring back, adopted: id fence attempts packed ...} or {'fenced'}: another worker
-- declared this one dead; take a new identity. Of a bulk's recipient the id to keep is
-- "<slice>:<place>"; one adopted is '@<bulk>', its slice, the attempts, "<place>:<lead>".
--
-- A message whose `uncertain` is `fail` and which carries a start mark was perhaps sent: its lease
-- moves to this worker, which records it as outcome_unknown like any other failure (the answer's
-- shape is not Lua's business). If this worker dies too, the next one adopts it.
allow_oom()
local lease_ms, name, mode = tonumber(ARGV[4]), ARGV[5], ARGV[6]
local workers = P .. 'workers'
local mine = call('ZSCORE', workers, W)
if mode == 'beat' and (not mine or tonumber(mine) == 0) then
  return { 'fenced' }
end
check_types()
local i = 9
local keep = {}
for _ = 1, tonumber(ARGV[8]) do
  keep[ARGV[i]] = ARGV[i + 1]
  i = i + 2
end
local fields = tonumber(ARGV[i]) * 2
call('ZADD', workers, int(now + lease_ms), W)
-- Two workers of one name are both shown, the later one with a part of its identity behind, until
-- the other's lease has ended.
local holder = tell('HGET', P .. 'worker:' .. name, '_id')
if type(holder) == 'string' and holder ~= W then
  local other = name .. '.' .. string.sub(W, 1, 8)
  if not string.find(ARGV[7], holder, 1, true)
    and tonumber(call('ZSCORE', workers, holder) or '0') > now then
    name = other
  else
    tell('ZREM', P .. 'worker_names', other)
    tell('DEL', P .. 'worker:' .. other)
  end
end
tell('HSET', P .. 'worker:' .. name, '_id', W, unpack(ARGV, i + 1, i + fields))
call('PEXPIRE', P .. 'worker:' .. name, 2 * lease_ms)
-- The names of those hashes, so that nobody needs to search all keys for them.
tell('ZADD', P .. 'worker_names', int(now + 2 * lease_ms), name)
tell('ZREMRANGEBYSCORE', P .. 'worker_names', '-inf', int(now))
i = i + fields + 1
local rejected_ms, dead_ms = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
local max_deaths = tonumber(ARGV[i + 2])
-- What one call forgets at most: a mass failure's dead letters all come of age at once.
local FORGET_MAX = 1000

-- What is returned; not unpacked from another table, which Lua does for some 8000 values only.
local jobs, messages, more, out = 0, 0, false, { 'ok', int(now_us), '0', 0, 0, '0' }

local function adopt(...)
  for k = 1, 4 do
    out[#out + 1] = select(k, ...)
  end
end

-- What a lease of a dead worker becomes. `unsent` = its owner says that it never started.
local function bring_back(id, unsent)
  local key = P .. 'message:' .. id
  local m = tell('HMGET', key, 'status', 'sender', '_priority', 'attempts', '_uncertain', '_started',
    '_fence', 'sending_at', '_units', 'channel', '_tenant')
  if m[1] ~= 'sending' or not m[2] then
    if m[2] then
      give_back(m[2], 1, {})
    end
    return
  end
  messages = messages + 1
  if not unsent and m[5] == 'fail' and m[6] and m[6] == m[7] then
    call('SADD', P .. 'lease:' .. W, id)
    local packed = tell('GET', P .. 'content:' .. id)
    adopt(id, m[7], m[4], type(packed) == 'string' and packed or '')
    return
  end
  give_back(m[2], 1, unsent and { { leased_at = m[8], units = tonumber(m[9] or '1'),
    channel = m[10], tenant = m[11] } } or {})
  release(id, m[2], m[3], m[4], not unsent)
end

-- References of one slice go back to the head of their queue; of a cancelled bulk nothing does.
local function refs_back(b, sender, slice, n, leads, unsent)
  messages = messages + n
  local refunds = {}
  -- What charge.lua took or gave back of their units is not known here: what is counted stays.
  for k = 1, unsent and n or 0 do
    refunds[k] = { leased_at = slice.at, units = 0, channel = b and b.channel,
      tenant = b and b.tenant }
  end
  give_back(sender, n, refunds)
  if not b then
    return
  end
  b.sending, b.dirty = b.sending - n, true
  if b.over then
    b.queued, b.cancelled = b.queued - n, b.cancelled + n
  else
    refs_push('LPUSH', b, unsent and '*' or '+', unsent and math.max(0, slice.attempts - 1)
      or slice.attempts, n, leads)
  end
end

-- The same as bring_back for a slice of a bulk. What this worker still has an attempt for, or has
-- to record, becomes a slice of its own under the same number.
local function bring_back_slice(worker, number, unsent)
  local key = P .. 'refs:' .. worker
  local v = call('HMGET', key, number, number .. '.')
  local sender, bulk, attempts, at, leads = slice_unpack(v[1])
  call('HDEL', key, number, number .. '.')
  if not leads or not v[2] then
    return
  end
  local kept, back, place = {}, {}, 0
  for lead in string.gmatch(leads, '([^%z]*)%z') do
    place = place + 1
    local state = string.sub(v[2], place, place)
    kept[place] = '0'
    if state ~= '0' and keep[number .. ':' .. place] then
      kept[place] = state
    elseif state == '2' and not unsent then
      kept[place] = state
      messages = messages + 1
      adopt('@' .. bulk, number, attempts, place .. ':' .. lead)
    elseif state ~= '0' then
      back[#back + 1] = lead .. '\0'
    end
  end
  kept = table.concat(kept)
  if string.find(kept, '[12]') then
    call('HSET', P .. 'refs:' .. W, number, v[1], number .. '.', kept)
  end
  if #back > 0 then
    refs_back(bulk_of(bulk), sender, { attempts = tonumber(attempts), at = at }, #back,
      table.concat(back), unsent)
  end
end

-- Takes some leases from a worker, and some slices of bulks; true when none is left.
local LEASES_MAX, SLICES_MAX = 128, 16
local function drain(worker, unsent)
  local key, refs = P .. 'lease:' .. worker, P .. 'refs:' .. worker
  for _, id in ipairs(call('SPOP', key, LEASES_MAX)) do
    bring_back(id, unsent)
  end
  local left = SLICES_MAX
  for _, field in ipairs(call('HKEYS', refs)) do
    if left > 0 and not string.find(field, '.', 1, true) then
      bring_back_slice(worker, field, unsent)
      left = left - 1
    end
  end
  local empty = call('EXISTS', key, refs) == 0
  more = more or not empty
  return empty
end

-- Puts a worker's claimed batch back, and forgets the worker when nothing of it is left. Until then
-- it stands among the workers with the score 0, which no beat renews: it would go on with leases
-- half of which are gone.
local function bury(worker, drained, died)
  local back = unclaim(worker, died and max_deaths)
  jobs = jobs + (back or 0)
  if back and drained then
    call('ZREM', workers, worker)
  else
    call('ZADD', workers, 0, worker)
  end
end

-- What is kept of an earlier identity, by message and by slice. A lease may be a later one of a
-- message whose earlier attempt is still in flight here: the fence tells.
local function keep_leases(old)
  for id, fence in pairs(keep) do
    local number = string.match(id, '^(%d+):%d+$')
    if number and call('HEXISTS', P .. 'refs:' .. old, number) == 1 then
      bring_back_slice(old, number, true)
    elseif call('SISMEMBER', P .. 'lease:' .. old, id) == 1
      and fence == tell('HGET', P .. 'message:' .. id, '_fence') then
      call('SREM', P .. 'lease:' .. old, id)
      call('SADD', P .. 'lease:' .. W, id)
    end
  end
end

-- This process' earlier identity (its connection broke): what it still has in flight is kept, the
-- rest was claimed by a call whose answer got lost, and never started. That may be more than one
-- call brings back: then it goes to "<old>-", a worker that makes no calls and lives as long as this
-- one comes back for it.
local function retire(old)
  local rest = old .. '-'
  keep_leases(old)
  for _, kind in ipairs({ 'lease:', 'refs:' }) do
    if call('EXISTS', P .. kind .. old) == 1 then
      call('RENAME', P .. kind .. old, P .. kind .. rest)
    end
  end
  bury(old, true, false)
  if drain(rest, true) then
    call('ZREM', workers, rest)
  else
    call('ZADD', workers, int(now + lease_ms), rest)
  end
end

-- Places in use are the leases there are (of bulks: the places of slices that are not recorded), and
-- so can be counted anew: a message that somebody deleted, a bucket that came or went by a reload between claim and finish would keep its place for
-- ever. Once per lease time over all workers; of very many senders some each time, and nothing
-- while more is in flight than can be counted quickly.
local HEAL_SENDERS, HEAL_LEASES = 256, 20000

local function heal_bucket(name, busy)
  local key = P .. 'bucket:' .. name
  local b = tell('HMGET', key, 'busy', 'conc')
  if not b[2] or tonumber(b[1] or '0') == busy then
    return
  end
  call('HSET', key, 'busy', int(busy))
  local sender = string.match(name, '^sender:(.*)')
  if sender then
    call('ZADD', P .. 'turn', 'XX', 'LT', int(now_us), sender)
  end
end

-- Calls use(sender, n) for each slice of a bulk that a worker holds.
local function each_slice(worker, use)
  local refs = P .. 'refs:' .. worker
  for _, field in ipairs(call('HKEYS', refs)) do
    if string.find(field, '.', 1, true) then
      local v = call('HMGET', refs, field, string.sub(field, 1, -2))
      local _, n = string.gsub(v[1], '[12]', '')
      use(string.match(v[2] or '', '^[^%z]*'), n)
    end
  end
end

local function heal()
  local total, names, count = 0, {}, {}
  local all = call('ZRANGE', workers, 0, -1)
  for _, worker in ipairs(all) do
    total = total + call('SCARD', P .. 'lease:' .. worker)
  end
  if total > HEAL_LEASES or not call('SET', P .. 'healed', W, 'NX', 'PX', int(lease_ms)) then
    return
  end
  local function names_of(sender)
    if not names[sender] then
      local text = tell('HGET', P .. 'sender:' .. sender, '_buckets')
      names[sender] = {}
      for name in string.gmatch(type(text) == 'string' and text or '', '%S+') do
        table.insert(names[sender], name)
        count[name] = count[name] or 0
      end
    end
    return names[sender]
  end
  local function use(sender, n)
    for _, name in ipairs(sender ~= '' and names_of(sender) or {}) do
      count[name] = count[name] + n
    end
  end
  for _, sender in ipairs(call('SRANDMEMBER', P .. 'senders', HEAL_SENDERS)) do
    names_of(sender)
  end
  for _, worker in ipairs(all) do
    for _, id in ipairs(call('SMEMBERS', P .. 'lease:' .. worker)) do
      local sender = tell('HGET', P .. 'message:' .. id, 'sender')
      use(type(sender) == 'string' and sender or '', 1)
    end
    each_slice(worker, use)
  end
  for name, busy in pairs(count) do
    heal_bucket(name, busy)
  end
end

for old in string.gmatch(ARGV[7], '%S+') do
  retire(old)
end
for _, dead in ipairs(call('ZRANGEBYSCORE', workers, '-inf', int(now), 'LIMIT', 0, 4)) do
  bury(dead, drain(dead, false), true)
end
save_buckets()
bulks_write()
heal()
tell('XTRIM', P .. 'rejected', 'MINID', '~', int(now - rejected_ms), 'LIMIT', FORGET_MAX)
local old = tell('ZRANGEBYSCORE', P .. 'dead', '-inf', int(now - dead_ms), 'LIMIT', 0, FORGET_MAX)
if #old > 0 then
  call('ZREM', P .. 'dead', unpack(old))
end
if jobs + messages > 0 then
  call('PUBLISH', P .. 'bell', 'recovered')
end

out[3], out[4], out[5], out[6] = int(next_due()), jobs, messages, more and '1' or '0'
return out
