-- overview: what the admin pages show of the whole namespace, at one moment. Only reads, and only
-- so much of each kind as it is told to: the cost does not grow with what waits.
-- ARGV: 4 the most senders, 5 workers, 6 bulks, 7 failures; then names of providers.
-- Returns {'ok', now_us, numbers, today, senders, workers, bulks, failures, hour}, each a flat array
-- whose order overview.c knows. What has another type than ours counts as absent.
local function number(...)
  local n = tell(...)
  return type(n) == 'number' and n or 0
end

local function list(...)
  local t = tell(...)
  return t.err and {} or t
end

-- Appends the fields of a hash.
local function add(out, key, ...)
  local values = list('HMGET', P .. key, ...)
  for i = 1, select('#', ...) do
    out[#out + 1] = values[i] or ''
  end
end

local function newest(key, count)
  return list('ZREVRANGE', P .. key, 0, count - 1)
end

-- Recipients of bulks that a worker has leased; a slice's places stand under "<number>." (refs.lua).
local function leased_recipients(worker)
  local key, n = P .. 'refs:' .. worker, 0
  for _, field in ipairs(list('HKEYS', key)) do
    if string.find(field, '.', 1, true) then
      local _, places = string.gsub(tell('HGET', key, field), '[12]', '')
      n = n + places
    end
  end
  return n
end

local day = 'stats:' .. string.sub(now_iso, 1, 10)
local taken, leased = 0, 0
local workers = {}
for i, id in ipairs(list('ZRANGE', P .. 'workers', 0, -1)) do
  -- The first element of what a worker has taken is the batch's tag.
  taken = taken + math.max(0, number('LLEN', P .. 'claimed:' .. id) - 1)
  leased = leased + number('SCARD', P .. 'lease:' .. id) + leased_recipients(id)
end
for i, name in ipairs(list('ZRANGE', P .. 'worker_names', 0, tonumber(ARGV[5]) - 1)) do
  workers[#workers + 1] = name
  add(workers, 'worker:' .. name, 'state', 'in_flight', 'rate', 'version', 'started_at')
end

local ready, senders = 0, {}
local ids = list('SORT', P .. 'senders', 'ALPHA', 'LIMIT', 0, ARGV[4])
for _, id in ipairs(ids) do
  local n = waiting(id)
  ready = ready + n
  senders[#senders + 1] = id
  senders[#senders + 1] = n
  add(senders, 'sender:' .. id, 'state', 'until', 'error_message', 'sent_today', 'day_cap')
  add(senders, 'bucket:sender:' .. id, 'busy')
  add(senders, day, 'sender:' .. id .. ':sent', 'sender:' .. id .. ':failed')
end

local today = {}
for i = 8, #ARGV do
  add(today, day, 'provider:' .. ARGV[i] .. ':sent', 'provider:' .. ARGV[i] .. ':failed',
    'provider:' .. ARGV[i] .. ':cancelled')
end

local bulks = {}
for _, id in ipairs(newest('bulks', tonumber(ARGV[6]))) do
  bulks[#bulks + 1] = id
  add(bulks, 'bulk:' .. id, 'status', 'total_leads', 'messages_queued', 'messages_sent',
    'messages_failed', 'messages_cancelled', 'success_rate', 'created_at')
end

local failures = {}
for _, id in ipairs(newest('dead', tonumber(ARGV[7]))) do
  failures[#failures + 1] = id
  add(failures, 'message:' .. id, 'failed_at', 'sender', 'channel', 'attempts', 'error_code',
    'error_message')
end

-- The last 60 minutes, the oldest first; the last has not ended. finish counts them.
local hour = {}
for minute = math.floor(now / 60000) - 59, math.floor(now / 60000) do
  local nth = minute % 60
  add(hour, 'minutes:' .. int(math.floor(minute / 60)), nth .. ':sent', nth .. ':errors')
end

local numbers = {
  number('LLEN', P .. 'jobs:high'), number('LLEN', P .. 'jobs'), number('LLEN', P .. 'jobs:low'),
  taken, ready, leased, number('ZCARD', P .. 'delayed'), number('ZCARD', P .. 'dead'),
  number('XLEN', P .. 'rejected'), number('SCARD', P .. 'senders'),
}
return { 'ok', now_us, numbers, today, senders, workers, bulks, failures, hour }
