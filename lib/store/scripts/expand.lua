-- expand: takes one page of a bulk's selection into its queue, and says which page is wanted next.
-- ARGV: 4 ready (a bulk is expanded up to this many references that wait), 5 chunk (references per
-- element), 6 retention ms, 7 reply ms, 8 bulk ('' = no page comes with this call), 9 the cursor the
-- page was read at, 10 the next one ('' = that was all), 11 size of the source, 12 leads looked at,
-- 13 why the selection cannot be read ('' = it can), 14 count of leads, then groups of up to `chunk`:
-- how many, the leads with a NUL after each, and per lead what it must not share with another one of
-- this bulk: a positive 64-bit number of 19 digits.
-- Returns {'ok', next_us: when to call again at the latest, 0 = no bulk is there}, and if a page is
-- wanted: bulk, cursor; or {'fenced'}.
-- A page counts only if the bulk is still at its cursor: so each page is taken exactly once, whoever
-- read it and however often.
-- After refs.lua.
if fenced() then
  return { 'fenced' }
end
check_types()
local high, chunk = tonumber(ARGV[4]), tonumber(ARGV[5])
local retention, reply_ms = ARGV[6], ARGV[7]
local due = P .. 'expand'
local SWEEP = 400 -- keys per call
local PAGE_MS = 2000 -- a page that took longer may be read by another
call('ZCARD', due)

-- What leads share is kept in sets that the last digits of the number name: as many digits as let
-- a set stay small in Redis (up to 512 numbers) even where the guess is poor.
local function seen_digits(b)
  local digits = 1
  while 10 ^ digits * 256 < b.shards * 70 do
    digits = digits + 1
  end
  return digits
end

-- How many ledgers, from how many leads are found in the first pages: a ledger of about 70 stays
-- small in Redis (up to 128) even where the guess is poor.
local function guess_shards(b, found)
  local scanned = call('HINCRBY', b.key, '_scanned', ARGV[12])
  if b.shards == 0 and found > 0 then
    local all = math.max(found, tonumber(ARGV[11]) * found / math.max(1, scanned))
    b.shards = math.max(1, math.ceil(all / 70))
    call('HSET', b.key, 'shards', int(b.shards), '_seen', int(10 ^ seen_digits(b)))
    call('HSET', b.key .. ':content', 'shards', int(b.shards))
  end
end

local function push_all(b, leads)
  for i = 1, #leads, chunk do
    local last = math.min(i + chunk - 1, #leads)
    refs_push('RPUSH', b, '*', 0, last - i + 1, table.concat(leads, '\0', i, last) .. '\0')
  end
end

-- Queues one group, whose marks begin at ARGV[i], but for the leads that share something with one
-- before: those left by such groups are gathered in `left`. Returns how many are new.
local function push_group(b, n, leads, i, left)
  local sets, last, fresh, old = b.key .. ':seen:', -seen_digits(b), 0, nil
  local args, sub, add = ARGV, string.sub, call -- looked up once: this runs for each recipient
  for k = i, i + n - 1 do
    local mark = args[k]
    if add('SADD', sets .. sub(mark, last), mark) == 1 then
      fresh = fresh + 1
    else
      old = old or {}
      old[k - i + 1] = true
    end
  end
  if not old then
    refs_push('RPUSH', b, '*', 0, n, leads)
  elseif fresh > 0 then
    local k = 0
    for lead in string.gmatch(leads, '[^%z]+') do
      k = k + 1
      left[#left + 1] = not old[k] and lead or nil
    end
  end
  return fresh
end

-- Queues the page; returns how many of its leads are new.
local function push_page(b, count)
  local left, fresh, i = {}, 0, 15
  while count > 0 do
    local n = tonumber(ARGV[i])
    fresh = fresh + push_group(b, n, ARGV[i + 1], i + 2, left)
    i, count = i + 2 + n, count - n
  end
  push_all(b, left)
  return fresh
end

local function end_expansion(b)
  b.more = false
  if b.status == 'expanding' then
    b.status = 'sending'
  end
  call('UNLINK', b.key .. ':ids')
  call('HDEL', b.key, '_cursor', '_scanned', '_page')
  event(true, 'bulk.sending', 'id', b.id, 'total', int(b.total))
end

-- Nobody knows whom it is for: what was not sent never is.
local function fail(b, why)
  b.cancelled, b.queued = b.cancelled + b.queued - b.sending, b.sending
  b.status, b.over, b.more = 'failed', true, false
  call('HSET', b.key, 'error_message', why)
end

local function take_page(b, count)
  local next_cursor = ARGV[10]
  guess_shards(b, count)
  local fresh = push_page(b, count)
  b.total, b.queued, b.dirty = b.total + fresh, b.queued + fresh, true
  if count > fresh then
    call('HINCRBY', b.key, 'duplicates', count - fresh)
  end
  if ARGV[13] ~= '' then
    fail(b, ARGV[13])
  elseif next_cursor == '' then
    end_expansion(b)
  else
    call('HSET', b.key, '_cursor', next_cursor)
  end
end

-- Failed recipients of one ledger go back to the queue, as if never tried: those that failed before
-- the retry was asked for. Cursor "failed <shard> <Unix ms>".
local function retry_ledger(b, shard, before)
  local key, leads = b.key .. ':ledger:' .. shard, {}
  local ledger = tell('HGETALL', key)
  for k = 1, #ledger, 2 do
    local at, code = string.match(ledger[k + 1], '^failed (%d+) %d+ (.*)$')
    if at and tonumber(at) < before then
      leads[#leads + 1] = ledger[k]
      b.errors[code] = (b.errors[code] or 0) - 1
    end
  end
  call('PERSIST', key)
  if #leads > 0 then
    call('HDEL', key, unpack(leads))
    push_all(b, leads)
    b.failed, b.queued, b.dirty = b.failed - #leads, b.queued + #leads, true
  end
end

local function retry_some(b, shard, before)
  for _ = 1, 8 do
    if shard >= b.shards or b.ready >= high then
      break
    end
    retry_ledger(b, shard, tonumber(before))
    shard = shard + 1
  end
  b.dirty = true
  if shard >= b.shards then
    end_expansion(b)
  else
    call('HSET', b.key, '_cursor', 'failed ' .. shard .. ' ' .. before)
  end
end

-- What a bulk no longer needs goes, a few keys a time: what its leads share, once it is expanded;
-- the ledger gets its end of life with the bulk. True when nothing is left to do.
local function sweep(b)
  local v = call('HMGET', b.key, '_seen', '_ttl', 'finished_at')
  local seen, ttl = tonumber(v[1] or '0'), tonumber(v[2] or '0')
  local keys, name = {}, '%0' .. seen_digits(b) .. 'd'
  while seen > 0 and #keys < SWEEP do
    seen = seen - 1
    keys[#keys + 1] = b.key .. ':seen:' .. string.format(name, seen)
  end
  if #keys > 0 then
    call('UNLINK', unpack(keys))
    call('HSET', b.key, '_seen', int(seen))
    return false
  end
  if not v[3] then
    return true
  end
  local left = call('PTTL', b.key)
  for shard = ttl, math.min(ttl + SWEEP, b.shards) - 1 do
    call('PEXPIRE', b.key .. ':ledger:' .. int(shard), left)
  end
  call('HSET', b.key, '_ttl', int(ttl + SWEEP))
  return ttl + SWEEP >= b.shards
end

-- When the page that a worker reads at this moment must have come; nothing if none does.
local function page_due(b)
  local who, ms = string.match(call('HGET', b.key, '_page') or '', '^(%S+) (%d+)$')
  local lease = who and who ~= W and call('ZSCORE', P .. 'workers', who)
  if lease and tonumber(lease) > now and tonumber(ms) > now then
    return tonumber(ms) * 1000
  end
end

-- Looks after one bulk whose time has come; returns its cursor if a page is wanted.
local function look(id)
  local b = bulk_of(id)
  local again = now_us
  if not b or b.status == 'paused' then
    again = nil
  elseif not b.more or b.over then
    b.dirty = b.dirty or b.queued == 0 -- so that bulks_write ends it, if nobody has
    again = not sweep(b) and now_us or nil
  elseif b.ready >= high then
    again = now_us + 5000000 -- claim asks sooner
  elseif page_due(b) then
    again = page_due(b)
  else
    local cursor = call('HGET', b.key, '_cursor') or ''
    local shard, before = string.match(cursor, '^failed (%d+) (%d+)$')
    call('HSET', b.key, '_page', W .. ' ' .. int(now + PAGE_MS), '_low', int(high / 2))
    if not shard then
      call('ZADD', due, int(now_us + PAGE_MS * 1000), id)
      return cursor
    end
    retry_some(b, tonumber(shard), before)
  end
  if again then
    call('ZADD', due, int(again), id)
  else
    call('ZREM', due, id)
  end
end

local b = ARGV[8] ~= '' and bulk_of(ARGV[8])
if b then
  local cursor = call('HGET', b.key, '_cursor')
  if b.more and not b.over and cursor == ARGV[9] then
    take_page(b, tonumber(ARGV[14]))
    call('HDEL', b.key, '_page')
  end
  tell('ZADD', due, int(now_us), b.id)
end
local wanted, cursor
for _, id in ipairs(call('ZRANGEBYSCORE', due, '-inf', int(now_us), 'LIMIT', 0, 16)) do
  cursor = look(id)
  if cursor then
    wanted = id
    break
  end
end
bulks_write(retention, reply_ms)
local first = call('ZRANGE', due, 0, 0, 'WITHSCORES')
if wanted then
  return { 'ok', first[2] or '0', wanted, cursor }
end
return { 'ok', first[2] or '0' }
