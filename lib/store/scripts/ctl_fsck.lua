-- ctl_fsck: looks at some keys at one moment, says what is wrong with them, and mends what is safe.
-- ARGV: 4 what to look at (one of `looks` below), 5 '1' = mend, 6 retention ms, 7 and on: its
-- arguments.
-- Returns {'ok', findings {kind, key, what, '1' mended | '0', ...}, and what the look returns}.
-- What one call sees is one moment: a message that moves meanwhile is in one place or the other.
-- After refs.lua.
local mending, retention = ARGV[5] == '1', ARGV[6]
local looks, findings = {}, {}
-- Elements that a recount of a bulk or a queue looks at, at most: it holds up everybody else.
local RECOUNT_MAX = 50000
-- Whom the next `recover` of any worker takes for a dead worker: what is given to it comes back by
-- the ordinary way.
local NOBODY = 'fsck'

local function finding(kind, key, what, mend)
  if mending and mend then
    mend()
  end
  for _, v in ipairs({ kind, key, what, mending and mend and '1' or '0' }) do
    findings[#findings + 1] = v
  end
end

local function text(v)
  return type(v) == 'string' and v or nil
end

local function number(...)
  local n = tell(...)
  return type(n) == 'number' and n or 0
end

local function list(...)
  local t = tell(...)
  return type(t) == 'table' and not t.err and t or {}
end

-- A key that must expire, or must not.
local function check_ttl(key, expires)
  local ttl = call('PTTL', key)
  if expires and ttl == -1 then
    finding('no_ttl', key, 'is never forgotten', function()
      call('PEXPIRE', key, retention)
    end)
  elseif not expires and ttl >= 0 then
    finding('expires', key, 'would be forgotten before its work is done', function()
      call('PERSIST', key)
    end)
  end
end

local function give_to_nobody(id)
  call('SADD', P .. 'lease:' .. NOBODY, id)
  call('ZADD', P .. 'workers', 0, NOBODY)
end

-- Names of one key each, which must have the type that the scripts take for granted.
local TYPES = { jobs = 'list', ['jobs:high'] = 'list', ['jobs:low'] = 'list', events = 'stream',
  rejected = 'stream', dead = 'zset', delayed = 'zset', turn = 'zset', workers = 'zset',
  worker_names = 'zset', senders = 'set', expand = 'zset', bulks = 'zset', suspects = 'hash' }

function looks.types()
  for name, kind in pairs(TYPES) do
    local there = call('TYPE', P .. name).ok
    if there ~= 'none' and there ~= kind then
      finding('wrong_type', P .. name, 'is a ' .. there .. ', expected a ' .. kind)
    end
  end
end

-- Keys that all have an end of life. Arguments: their names, without the namespace.
function looks.expiring()
  for i = 7, #ARGV do
    check_ttl(P .. ARGV[i], true)
  end
end

-- Identities found in the names of lists, leases and slices: recover looks at `workers` only.
function looks.owners()
  for i = 7, #ARGV do
    local w = ARGV[i]
    local held = call('EXISTS', P .. 'lease:' .. w, P .. 'refs:' .. w, P .. 'claimed:' .. w)
    if held > 0 and not call('ZSCORE', P .. 'workers', w) then
      finding('no_owner', P .. 'workers', 'worker ' .. w .. ' holds something, but is unknown',
        function()
          call('ZADD', P .. 'workers', 0, w)
        end)
    end
    local tag = text(tell('LINDEX', P .. 'claimed:' .. w, 0))
    local high, normal, low = string.match(tag or '', ':(%d+):(%d+):(%d+)$')
    if tag and (not low or high + normal + low + 1 ~= call('LLEN', P .. 'claimed:' .. w)) then
      finding('bad_batch', P .. 'claimed:' .. w, 'its tag does not say how many jobs follow')
    end
  end
end

-- --- messages ---

local tally, tally_out = {}, {}

-- Counts n final ones as finish does, under "<day> <field of stats:<day>>".
local function count(day, status, n, provider, channel, sender)
  for scope, name in pairs({ provider = provider, channel = channel, sender = sender }) do
    local what = day .. ' ' .. scope .. ':' .. name .. ':' .. status
    tally[what] = (tally[what] or 0) + n
  end
end

local function tallied()
  for what, n in pairs(tally) do
    tally_out[#tally_out + 1] = what
    tally_out[#tally_out + 1] = int(n)
  end
  return tally_out
end

local function check_scheduled(id, key)
  if not tell('ZSCORE', P .. 'delayed', id) then
    finding('no_place', key, 'is scheduled, but not in the delayed set', function()
      call('ZADD', P .. 'delayed', int(now), id)
    end)
  end
end

local function check_sending(id, key, all)
  local holders = 0
  for _, w in ipairs(all) do
    holders = holders + number('SISMEMBER', P .. 'lease:' .. w, id)
  end
  if holders == 0 then
    finding('no_place', key, 'is sending, but no worker holds it', function()
      give_to_nobody(id)
    end)
  elseif holders > 1 then
    finding('twice', key, 'is held by ' .. int(holders) .. ' workers')
  end
end

local FINAL = { sent = true, failed = true, cancelled = true }
local OPEN = { queued = true, scheduled = check_scheduled, sending = check_sending }

local function check_message(id, key, m, all)
  local status, content = m[1], P .. 'content:' .. id
  if not FINAL[status] and not OPEN[status] then
    finding('bad_status', key, 'has the status ' .. status)
    return
  end
  check_ttl(key, FINAL[status])
  local has_all = true
  for _, part in ipairs(m[7] and { content, P .. 'text:' .. id } or { content }) do
    if call('EXISTS', part) == 1 then
      check_ttl(part, FINAL[status])
    else
      has_all = false
    end
  end
  if not has_all and not FINAL[status] then
    finding('no_content', key, 'is ' .. status .. ', but what to send is gone')
  end
  if OPEN[status] and OPEN[status] ~= true then
    OPEN[status](id, key, all)
  end
end

-- Arguments: ids. Returns the queued ones, whose queue the caller has read; and a tally.
function looks.messages()
  local queued, all = {}, call('ZRANGE', P .. 'workers', 0, -1)
  for i = 7, #ARGV do
    local id = ARGV[i]
    local key = P .. 'message:' .. id
    local m = tell('HMGET', key, 'status', 'provider', 'channel', 'sender', 'sent_at', 'failed_at',
      '_text')
    if m.err then
      finding('wrong_type', key, 'is not a hash')
    elseif m[1] then
      check_message(id, key, m, all)
      if m[1] == 'queued' then
        queued[#queued + 1] = id
      end
      local at = m[1] == 'sent' and m[5] or m[1] == 'failed' and m[6]
      if at then
        count(string.sub(at, 1, 10), m[1], 1, m[2] or '', m[3] or '', m[4] or '')
      end
    elseif call('EXISTS', key) == 1 then
      finding('bad_status', key, 'has no status')
    end
  end
  return queued, tallied()
end

-- Contents: those of messages that are gone.
function looks.contents()
  for i = 7, #ARGV do
    if call('EXISTS', P .. 'message:' .. ARGV[i]) == 0 then
      check_ttl(P .. 'content:' .. ARGV[i], true)
      if call('EXISTS', P .. 'text:' .. ARGV[i]) == 1 then
        check_ttl(P .. 'text:' .. ARGV[i], true)
      end
    end
  end
end

-- How often, up to 2, a queue holds an id. What came or came back lately is near an end.
local function times_in(q, id, both)
  for _, from in ipairs(both and {} or { -1, 1 }) do
    local at = list('LPOS', q, id, 'RANK', from, 'COUNT', 1, 'MAXLEN', 1000)
    if #at > 0 then
      return 1
    end
  end
  return #list('LPOS', q, id, 'COUNT', 2)
end

-- Queued messages that were not seen in their queue exactly once. Arguments: id and how often.
function looks.queued()
  for i = 7, #ARGV, 2 do
    local id = ARGV[i]
    local key = P .. 'message:' .. id
    local m = list('HMGET', key, 'status', 'sender', '_priority')
    local q = m[2] and ready_key(m[2], m[3] or '2')
    local n = q and m[1] == 'queued' and times_in(q, id, ARGV[i + 1] ~= '0') or 1
    if n == 0 then
      finding('no_place', key, 'is queued, but in no queue', function()
        put('RPUSH', q, { id })
        give_turn(m[2], m[3])
      end)
    elseif n > 1 then
      finding('twice', key, 'is in its queue more than once', function()
        call('LREM', q, 0, id)
        call('RPUSH', q, id)
      end)
    end
  end
end

-- Entries of one queue. Arguments: queue ("<sender>:<class>"), ids. An entry of a message that is
-- final is a late "sent": claim drops it.
function looks.ready()
  local q = P .. 'ready:' .. ARGV[7]
  for i = 8, #ARGV do
    local id = ARGV[i]
    local m = list('HMGET', P .. 'message:' .. id, 'status', 'sender', '_priority')
    if not m[1] and tell('LPOS', q, id) then
      finding('no_message', q, 'holds ' .. id .. ', which there is not', function()
        call('LREM', q, 0, id)
      end)
    elseif m[1] == 'queued' and m[2] and q ~= ready_key(m[2], m[3] or '2')
      and tell('LPOS', q, id) then
      finding('wrong_queue', q, 'holds ' .. id .. ', whose queue is another', function()
        call('LREM', q, 0, id)
        if times_in(ready_key(m[2], m[3] or '2'), id) == 0 then
          put('RPUSH', ready_key(m[2], m[3] or '2'), { id })
          give_turn(m[2], m[3])
        end
      end)
    end
  end
end

-- Entries of a set whose messages must have one status.
local function check_entries(key, status, is_there, remove)
  for i = 8, #ARGV do
    local id = ARGV[i]
    local is = list('HMGET', P .. 'message:' .. id, 'status')[1]
    local there = is ~= status and tell(is_there, key, id)
    if there and there ~= 0 and (is or status ~= 'failed') then
      finding(is and 'stale' or 'no_message', key, 'holds ' .. id .. ', which '
        .. (is and 'is ' .. is or 'there is not'), function()
          call(remove, key, id)
        end)
    end
  end
end

-- Arguments: '' or a worker; ids. A dead letter may outlive its message.
function looks.delayed()
  check_entries(P .. 'delayed', 'scheduled', 'ZSCORE', 'ZREM')
end

function looks.dead()
  check_entries(P .. 'dead', 'failed', 'ZSCORE', 'ZREM')
end

function looks.lease()
  check_entries(P .. 'lease:' .. ARGV[7], 'sending', 'SISMEMBER', 'SREM')
end

-- --- senders ---

local function waits(sender)
  for class = 0, LAST_CLASS do
    if number('LLEN', ready_key(sender, class)) > 0 then
      return true
    end
  end
end

-- How many references more than elements wait; nothing if that is too much to look at.
local function extra_of(sender)
  local n, elements = 0, 0
  for class = 0, LAST_CLASS do
    elements = elements + number('LLEN', ready_key(sender, class))
  end
  for class = 0, elements <= RECOUNT_MAX and LAST_CLASS or -1 do
    for _, element in ipairs(list('LRANGE', ready_key(sender, class), 0, -1)) do
      n = n + (is_ref(element) and ref_unpack(element).n - 1 or 0)
    end
  end
  return elements <= RECOUNT_MAX and n or nil
end

-- Arguments: sender, its `_extra` as the caller counted it. Returns how much it left out.
function looks.sender()
  local sender = ARGV[7]
  local key = P .. 'sender:' .. sender
  local s = list('HMGET', key, 'state', '_extra')
  if waits(sender) and s[1] ~= 'paused' and s[1] ~= 'broken'
    and not tell('ZSCORE', P .. 'turn', sender) then
    finding('no_turn', key, 'messages wait, but its turn never comes', function()
      give_turn(sender)
    end)
  end
  if tonumber(s[2] or '0') == tonumber(ARGV[8]) then
    return 0
  end
  local n = extra_of(sender)
  if n and n ~= tonumber(s[2] or '0') then
    finding('bad_count', key, 'counts ' .. (s[2] or '0') .. ' further recipients, there are '
      .. int(n), function()
        call('HSET', key, '_extra', int(n))
      end)
  end
  return n and 0 or 1
end

-- Places in use against leases, where no worker lives to count them anew (recover.lua): a reload
-- may leave them apart for as long as a lease.
function looks.buckets()
  local all, buckets, names = call('ZRANGE', P .. 'workers', 0, -1), {}, {}
  if call('ZCOUNT', P .. 'workers', int(now), '+inf') > 0 then
    return 0
  end
  local function use(sender, n)
    if not names[sender] then
      names[sender] = text(tell('HGET', P .. 'sender:' .. sender, '_buckets')) or ''
    end
    for name in string.gmatch(names[sender], '%S+') do
      buckets[name] = (buckets[name] or 0) + n
    end
  end
  for _, sender in ipairs(list('SMEMBERS', P .. 'senders')) do
    use(sender, 0)
  end
  for _, w in ipairs(all) do
    if number('SCARD', P .. 'lease:' .. w) > RECOUNT_MAX then
      return 1
    end
    for _, id in ipairs(list('SMEMBERS', P .. 'lease:' .. w)) do
      use(text(tell('HGET', P .. 'message:' .. id, 'sender')) or '', 1)
    end
    local slices = list('HGETALL', P .. 'refs:' .. w)
    for k = 1, #slices, 2 do
      if string.sub(slices[k], -1) == '.' then
        local v = text(tell('HGET', P .. 'refs:' .. w, string.sub(slices[k], 1, -2))) or ''
        local _, n = string.gsub(slices[k + 1], '[12]', '')
        use(string.match(v, '^[^%z]*'), n)
      end
    end
  end
  for name, n in pairs(buckets) do
    local key = P .. 'bucket:' .. name
    local busy = tonumber(text(tell('HGET', key, 'busy')) or '0')
    if busy ~= n then
      finding('bad_count', key, 'says that ' .. int(busy) .. ' places are in use, ' .. int(n)
        .. ' are', function()
          call('HSET', key, 'busy', int(n))
        end)
    end
  end
  return 0
end

-- --- bulks ---

-- Keys that belong to a bulk. Arguments: bulk, the rest of the key's name.
function looks.parts()
  for i = 7, #ARGV, 2 do
    local key = P .. 'bulk:' .. ARGV[i]
    local there = list('HMGET', key, 'id', 'finished_at')
    local part = key .. ':' .. ARGV[i + 1]
    if not there[1] then
      check_ttl(part, true)
    elseif there[2] and string.match(ARGV[i + 1], '^ledger:')
      and not tell('ZSCORE', P .. 'expand', ARGV[i]) then
      check_ttl(part, true)
    end
  end
end

-- Calls see(lead) for each reference to a bulk among elements; returns how many there are.
local function each_ref(b, elements, see)
  local n = 0
  for _, element in ipairs(elements) do
    local ref = is_ref(element) and ref_unpack(element)
    if ref and ref.bulk == b.id then
      n = n + ref.n
      for lead in string.gmatch(ref.leads, '[^%z]+') do
        see(lead)
      end
    end
  end
  return n
end

-- The same for the places of a worker's slices that are not recorded yet.
local function each_place(b, worker, see)
  local n, slices = 0, list('HGETALL', P .. 'refs:' .. worker)
  local by = {}
  for k = 1, #slices, 2 do
    by[slices[k]] = slices[k + 1]
  end
  for slice, v in pairs(by) do
    local bulk, leads = string.match(v, '^[^%z]*%z[^%z]*%z([^%z]*)%z%d+%z[^%z]*%z(.*)$')
    local place, places = 0, by[slice .. '.']
    for lead in string.gmatch(bulk == b.id and places and leads or '', '([^%z]*)%z') do
      place = place + 1
      if string.byte(places, place) ~= 48 then
        n = n + 1
        see(lead)
      end
    end
  end
  return n
end

-- How many recipients of a bulk are not in its ledger, wherever they wait; how many references
-- workers hold; how many are in its queue. Nothing if that is too much to look at.
local function recount(b)
  local q, held = ready_key(b.sender or '', b.priority), b.key .. ':held'
  if number('LLEN', q) + number('ZCARD', P .. 'delayed') + number('LLEN', held) > RECOUNT_MAX then
    return nil
  end
  local seen, open, leased = {}, 0, 0
  local function see(lead)
    if not seen[lead] and number('HEXISTS', ledger_of(b, lead), lead) == 0 then
      open = open + 1
    end
    seen[lead] = true
  end
  local ready = each_ref(b, list('LRANGE', q, 0, -1), see)
  each_ref(b, list('ZRANGE', P .. 'delayed', 0, -1), see)
  each_ref(b, list('LRANGE', held, 0, -1), see)
  for _, w in ipairs(call('ZRANGE', P .. 'workers', 0, -1)) do
    leased = leased + each_place(b, w, see)
  end
  return open, leased, ready
end

local function check_sums(b)
  local errors, hash = 0, call('HGETALL', b.key)
  for k = 1, #hash, 2 do
    errors = errors + (string.match(hash[k], '^errors:') and tonumber(hash[k + 1]) or 0)
  end
  if b.total ~= b.sent + b.failed + b.cancelled + b.queued then
    finding('bad_sum', b.key, int(b.total) .. ' leads are not ' .. int(b.sent) .. ' sent + '
      .. int(b.failed) .. ' failed + ' .. int(b.cancelled) .. ' cancelled + ' .. int(b.queued)
      .. ' queued')
  end
  if errors ~= b.failed then
    finding('bad_sum', b.key, 'counts ' .. int(errors) .. ' errors, and ' .. int(b.failed)
      .. ' failed')
  end
end

local function check_life(b)
  local function look_again()
    call('ZADD', P .. 'expand', int(now_us), b.id)
  end
  local ended = call('HEXISTS', b.key, 'finished_at') == 1
  check_ttl(b.key, ended)
  if not ended and b.queued == 0 and (b.over or (b.status == 'sending' and not b.more)) then
    finding('no_end', b.key, 'all is final, and it is not', look_again)
  elseif b.more and not b.over and b.status ~= 'paused'
    and not tell('ZSCORE', P .. 'expand', b.id) then
    finding('no_turn', b.key, 'has further pages that nobody reads', look_again)
  end
end

local function check_places(b)
  local open, leased, ready = recount(b)
  if not open then
    return 1
  end
  local queued = b.over and leased or open
  if b.queued ~= queued then
    local fits = b.total == b.sent + b.failed + b.cancelled + queued
    finding('bad_count', b.key, 'says that ' .. int(b.queued) .. ' recipients are queued, '
      .. int(queued) .. ' are', fits and function()
        call('HSET', b.key, 'messages_queued', int(queued))
      end)
  end
  if b.sending ~= leased or b.ready ~= ready then
    finding('bad_count', b.key, 'says that ' .. int(b.sending) .. ' are sending and '
      .. int(b.ready) .. ' ready, ' .. int(leased) .. ' and ' .. int(ready) .. ' are', function()
        call('HSET', b.key, 'messages_sending', int(leased), '_ready', int(ready))
      end)
  end
  return 0
end

-- Arguments: bulk, then what the caller counted: references in queues, elsewhere, leased. Only what
-- differs is counted anew. Returns how much it left out.
function looks.bulk()
  local b = bulk_of(ARGV[7])
  if not b then
    return 0
  end
  check_sums(b)
  check_life(b)
  local ready, other, leased = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
  local waiting = b.over and leased or ready + other + leased
  if b.ready == ready and b.sending == leased and b.queued == waiting then
    return 0
  end
  return check_places(b)
end

-- Some ledgers. Arguments: bulk, first, last. Returns {sent, failed} and a tally.
function looks.ledgers()
  local b = P .. 'bulk:' .. ARGV[7]
  local names, n = call('HMGET', b, 'provider', 'channel', 'sender'), { sent = 0, failed = 0 }
  for k = tonumber(ARGV[8]), tonumber(ARGV[9]) do
    local days = {}
    for _, line in ipairs(list('HVALS', b .. ':ledger:' .. int(k))) do
      local status, ms = string.match(line, '^(%a+) (%d+) %d+ ')
      if n[status] then
        local day = status .. ' ' .. int(math.floor(ms / 86400000) * 86400000)
        n[status] = n[status] + 1
        days[day] = (days[day] or 0) + 1
      else
        finding('bad_status', b .. ':ledger:' .. int(k), 'has a line that is not a final one')
      end
    end
    for day, m in pairs(days) do
      local status, ms = string.match(day, '^(%a+) (%d+)$')
      count(string.sub(iso(tonumber(ms)), 1, 10), status, m, names[1] or '', names[2] or '',
        names[3] or '')
    end
  end
  return { int(n.sent), int(n.failed) }, tallied()
end

local first, second = looks[ARGV[4]]()
return { 'ok', findings, first or 0, second or {} }
