-- ctl_fsck_counts: the looks at what is counted: of senders, buckets and bulks.
-- After refs.lua, fsck.lua.

-- Elements that a recount of a bulk or a queue looks at, at most: it holds up everybody else.
local RECOUNT_MAX = 50000
-- --- senders ---

-- The queues of a sender, and those of its lanes; and whether all lanes can be read.
local function queues_of(sender)
  local plain, of_lanes, all = {}, {}, true
  for class = 0, LAST_CLASS do
    local lanes = tell('ZRANGE', lanes_key(sender, class), 0, -1)
    plain[#plain + 1] = ready_key(sender, class)
    for _, lane in ipairs(lanes) do
      of_lanes[#of_lanes + 1] = ready_key(sender, class .. '/' .. lane)
    end
    all = all and not lanes.err
  end
  return plain, of_lanes, all
end

local function elements_in(queues)
  local n = 0
  for _, q in ipairs(queues) do
    n = n + number('LLEN', q)
  end
  return n
end

-- How many references more than elements wait.
local function extra_in(queues)
  local n = 0
  for _, q in ipairs(queues) do
    for _, element in ipairs(list('LRANGE', q, 0, -1)) do
      n = n + (is_ref(element) and ref_unpack(element).n - 1 or 0)
    end
  end
  return n
end

local function check_turn(sender, key, plain, in_lanes)
  local wakes = in_lanes > 0 and score(P .. 'delayed', '~' .. sender)
  if (plain > 0 or in_lanes > 0 and not wakes) and not score(P .. 'turn', sender) then
    finding('no_turn', key, 'messages wait, but its turn never comes', function()
      give_turn(sender)
    end)
  end
end

local function check_counter(key, field, says, is, what)
  if tonumber(says or '0') ~= is then
    finding('bad_count', key, 'counts ' .. (says or '0') .. what .. ', there are ' .. int(is),
      function()
        call('HSET', key, field, int(is))
      end)
  end
end

-- Arguments: sender, its `_extra` as the caller counted it. Returns how much it left out.
function looks.sender()
  local sender = ARGV[7]
  local key, plain, of_lanes, all = P .. 'sender:' .. sender, queues_of(sender)
  local s = list('HMGET', key, 'state', '_extra', '_in_lanes')
  local n, in_lanes = elements_in(plain), elements_in(of_lanes)
  if s[1] ~= 'paused' and s[1] ~= 'broken' then
    check_turn(sender, key, n, in_lanes)
  end
  if all then
    check_counter(key, '_in_lanes', s[3], in_lanes, ' elements in lanes')
  end
  if tonumber(s[2] or '0') == tonumber(ARGV[8]) then
    return 0
  elseif not all or n + in_lanes > RECOUNT_MAX then
    return 1
  end
  check_counter(key, '_extra', s[2], extra_in(plain) + extra_in(of_lanes), ' further recipients')
  return 0
end

-- Places in use against leases, where no worker lives to count them anew (recover.lua): a reload
-- may leave them apart for as long as a lease.
function looks.buckets()
  local all, buckets, names = list('ZRANGE', P .. 'workers', 0, -1), {}, {}
  if tell('ZCOUNT', P .. 'workers', int(now), '+inf') ~= 0 then
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
    local _, bulk, _, _, leads = slice_unpack(v)
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
  for _, w in ipairs(list('ZRANGE', P .. 'workers', 0, -1)) do
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
    and not score(P .. 'expand', b.id) then
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
  local names, n = list('HMGET', b, 'provider', 'channel', 'sender'), { sent = 0, failed = 0 }
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

return look()
