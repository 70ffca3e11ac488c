-- configure: writes the senders' limits where claim reads them; safe to run at any time. One whose
-- key has another type does not keep the others from theirs.
-- ARGV: 4 count of buckets, then per bucket: name interval_us tolerance_us day_cap zone concurrency
-- units (1: the rate counts a message's units, 2: the day does, 3: both) trip (see buckets.lua)
-- count (of the rate, in words);
-- then the count of senders, then per sender: id fingerprint buckets ignore_suppressed
-- by pair (see buckets.lua).
-- A `broken` sender whose fingerprint (of its configuration and credentials) changed is mended;
-- a paused one stays paused.
-- A call without senders brings the buckets that senders share, all of them: others of their kinds
-- lose their limits.
local i, shared = 5, {}

-- Counts what waits in lanes anew, should its count have gone with the sender's hash.
local function count_lanes(sender)
  local keys, n, all = {}, 0, true
  for class = 1, LAST_CLASS do
    keys[class] = lanes_key(sender, class)
  end
  if call('EXISTS', unpack(keys)) == 0 then
    return
  end
  for class, key in ipairs(keys) do
    local found = tell('ZRANGE', key, 0, -1)
    for _, lane in ipairs(found) do
      n = n + (ask('LLEN', ready_key(sender, class .. '/' .. lane)) or 0)
    end
    all = all and not found.err
  end
  if all then
    call('HSET', P .. 'sender:' .. sender, '_in_lanes', n)
  end
end

for _ = 1, tonumber(ARGV[4]) do
  ask('HSET', P .. 'bucket:' .. ARGV[i], 'interval', ARGV[i + 1], 'tolerance', ARGV[i + 2],
    'day_cap', ARGV[i + 3], 'zone', ARGV[i + 4], 'conc', ARGV[i + 5], 'units', ARGV[i + 6], 'trip',
    ARGV[i + 7], 'count', ARGV[i + 8])
  shared[ARGV[i]] = true
  i = i + 9
end
local count = tonumber(ARGV[i])
if count == 0 then
  for _, name in ipairs(call('SMEMBERS', P .. 'shared_buckets')) do
    if not shared[name] then
      tell('HDEL', P .. 'bucket:' .. name, 'interval')
      call('SREM', P .. 'shared_buckets', name)
    end
  end
  for name in pairs(shared) do
    call('SADD', P .. 'shared_buckets', name)
  end
end
i = i + 1
for _ = 1, count do
  local id = ARGV[i]
  local key = P .. 'sender:' .. id
  local old = tell('HMGET', key, '_fingerprint', 'state')
  local there = ask('HSET', key, '_fingerprint', ARGV[i + 1], '_buckets', ARGV[i + 2],
    '_ignore_suppressed', ARGV[i + 3], '_by', ARGV[i + 4], '_pair', ARGV[i + 5])
  call('SADD', P .. 'senders', id)
  if there and (not old[2] or (old[2] == 'broken' and old[1] ~= ARGV[i + 1])) then
    call('HSET', key, 'state', 'ok')
    call('HDEL', key, 'error_message')
  end
  if there then
    count_lanes(id)
  end
  if waiting(id) > 0 then
    give_turn(id)
  end
  i = i + 6
end
-- The caller comes again until it is written as a whole.
return complaints[1] and redis.error_reply(complaints[1]) or { 'ok' }
