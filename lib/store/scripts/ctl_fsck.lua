-- ctl_fsck: the looks at keys by their names, and at messages and their places.
-- After refs.lua, fsck.lua.

-- Whom the next `recover` of any worker takes for a dead worker: what is given to it comes back by
-- the ordinary way.
local NOBODY = 'fsck'

local function give_to_nobody(id)
  call('ZADD', P .. 'workers', 0, NOBODY)
  call('SADD', P .. 'lease:' .. NOBODY, id)
end

-- Arguments: names without the namespace, each with the type that it must have.
function looks.types()
  for i = 7, #ARGV, 2 do
    local key, is = P .. ARGV[i], call('TYPE', P .. ARGV[i]).ok
    if is ~= 'none' and is ~= ARGV[i + 1] then
      finding('wrong_type', key, 'is a ' .. is .. ', must be a ' .. ARGV[i + 1])
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
    if held > 0 and not score(P .. 'workers', w) then
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

-- Keys that belong to a bulk. Arguments: bulk, the rest of the key's name.
function looks.parts()
  for i = 7, #ARGV, 2 do
    local key = P .. 'bulk:' .. ARGV[i]
    local there = list('HMGET', key, 'id', 'finished_at')
    local part = key .. ':' .. ARGV[i + 1]
    if not there[1] then
      check_ttl(part, true)
    elseif there[2] and string.match(ARGV[i + 1], '^ledger:')
      and not score(P .. 'expand', ARGV[i]) then
      check_ttl(part, true)
    end
  end
end

-- --- messages ---

local function check_scheduled(id, key)
  if not score(P .. 'delayed', id) then
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
  local queued, all = {}, list('ZRANGE', P .. 'workers', 0, -1)
  for i = 7, #ARGV do
    local id = ARGV[i]
    local key = P .. 'message:' .. id
    local m = list('HMGET', key, 'status', 'provider', 'channel', 'sender', 'sent_at', 'failed_at',
      '_text')
    if m[1] then
      check_message(id, key, m, all)
      if m[1] == 'queued' then
        queued[#queued + 1] = id
      end
      local at = m[1] == 'sent' and m[5] or m[1] == 'failed' and m[6]
      if at then
        count(string.sub(at, 1, 10), m[1], 1, m[2] or '', m[3] or '', m[4] or '')
      end
    elseif call('TYPE', key).ok == 'hash' then
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

-- Takes an id out of a queue, all its elements.
local function drop(q, id)
  enter_lane(q, -call('LREM', q, 0, id))
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
        drop(q, id)
        put('RPUSH', q, { id })
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
    if not m[1] and times_in(q, id) > 0 then
      finding('no_message', q, 'holds ' .. id .. ', which there is not', function()
        drop(q, id)
      end)
    elseif m[1] == 'queued' and m[2] and q ~= ready_key(m[2], m[3] or '2')
      and times_in(q, id) > 0 then
      finding('wrong_queue', q, 'holds ' .. id .. ', whose queue is another', function()
        drop(q, id)
        if times_in(ready_key(m[2], m[3] or '2'), id) == 0 then
          put('RPUSH', ready_key(m[2], m[3] or '2'), { id })
          give_turn(m[2], m[3])
        end
      end)
    end
  end
end

-- Queues of lanes, "<sender>:<class>/<lane>": claim looks at those only that stand among its lanes.
function looks.lanes()
  for i = 7, #ARGV do
    local q = P .. 'ready:' .. ARGV[i]
    local sender, class, lane = string.match(ARGV[i], '^([^:]*):(%d)/(.+)$')
    if lane and number('LLEN', q) > 0 and not score(lanes_key(sender, class), lane) then
      finding('no_turn', q, 'messages wait, but the turn of their lane never comes', function()
        call('ZADD', lanes_key(sender, class), int(now_us), lane)
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

return look()
