-- Second prelude, of the scripts that know bulks. A bulk's recipients have no key of their own: they
-- wait as references, many in one element of a ready queue (or one in the delayed set):
--   '*' <bulk> NUL <attempts so far> NUL <how many> NUL <lead> NUL ... <lead> NUL
-- '+' instead of '*': back from a dead worker whose late "sent" may have been recorded since.
-- A claim leases a slice of them. It stands in refs:<worker> under its number, its fence:
--   <n>  = <sender> NUL <priority> NUL <bulk> NUL <attempts> NUL <leased at> NUL <lead> NUL ...
--   <n>. = one character per lead: '1' leased, '2' its request may have left, '0' no more its
-- A final recipient is one line in the bulk's ledger, written once: what is there is never written
-- again, so that nobody is counted twice, whatever crashed.
-- The sender's `_extra` is how many references more than elements wait in its queues.
local bulks, extras = {}, {}

local function is_ref(element)
  local mark = string.byte(element)
  return mark == 42 or mark == 43
end

local function ref_pack(mark, bulk, attempts, n, leads)
  return mark .. bulk .. '\0' .. attempts .. '\0' .. n .. '\0' .. leads
end

local function ref_unpack(element)
  local bulk, attempts, n, at = string.match(element, '^.([^%z]+)%z(%d+)%z(%d+)%z()')
  return { mark = string.sub(element, 1, 1), bulk = bulk, attempts = tonumber(attempts),
    n = tonumber(n), leads = string.sub(element, at) }
end

-- A slice as it is leased: sender, bulk, attempts, leased at, leads; nothing = it is none.
local function slice_unpack(text)
  return string.match(text or '', '^([^%z]*)%z[^%z]*%z([^%z]*)%z(%d+)%z([^%z]*)%z(.*)$')
end

-- The sender of a slice as it is leased, and the place in it of a bulk's lead; nothing = not there.
local function place_in(slice, bulk, lead)
  local sender, of, _, _, leads = slice_unpack(slice)
  local place = 0
  for one in string.gmatch(of == bulk and leads or '', '([^%z]*)%z') do
    place = place + 1
    if one == lead then
      return sender, place
    end
  end
end

-- A bulk as it stands, read once per call; its numbers are changed here and written by
-- bulks_write. Nothing if there is no such bulk.
local function bulk_of(id)
  local b = bulks[id]
  if b == nil then
    local v = tell('HMGET', P .. 'bulk:' .. id, 'status', '_more', 'sender', '_priority', '_ready',
      '_low', 'total_leads', 'messages_queued', 'messages_sending', 'messages_sent',
      'messages_failed', 'messages_cancelled', 'shards', 'channel', '_tenant')
    b = false
    if v[1] then
      b = { id = id, key = P .. 'bulk:' .. id, status = v[1], more = v[2] == '1', sender = v[3],
        priority = v[4] or '2', ready = tonumber(v[5] or '0'), low = tonumber(v[6] or '0'),
        total = tonumber(v[7] or '0'), queued = tonumber(v[8] or '0'),
        sending = tonumber(v[9] or '0'), sent = tonumber(v[10] or '0'),
        failed = tonumber(v[11] or '0'), cancelled = tonumber(v[12] or '0'),
        shards = tonumber(v[13] or '0'), channel = v[14], tenant = v[15], errors = {} }
      b.over = b.status == 'cancelled' or b.status == 'failed'
    end
    bulks[id] = b
  end
  return b
end

-- n references in one element come to a sender's queue (`elements` 1) or leave it (-n, -1). b may
-- be false: a bulk that is no longer there.
local function refs_count(sender, b, n, elements)
  extras[sender] = (extras[sender] or 0) + n - elements
  if b then
    b.ready = b.ready + n
    b.dirty = true
  end
end

local function refs_push(verb, b, mark, attempts, n, leads)
  local element = ref_pack(mark, b.id, int(attempts), int(n), leads)
  if put(verb, ready_key(b.sender, b.priority), { element }) then
    refs_count(b.sender, b, n, 1)
    give_turn(b.sender)
  else
    b.dirty = true
  end
end

-- The answer of a bulk, as the API's document has it.
local function bulk_answer(b, rate)
  local cancelled = b.cancelled > 0 and ',"messages_cancelled":' .. int(b.cancelled) or ''
  return '{"total_leads":' .. int(b.total) .. ',"messages_sent":' .. int(b.sent)
    .. ',"messages_failed":' .. int(b.failed) .. cancelled .. ',"success_rate":' .. rate .. '}'
end

-- All of it is final: its answer goes out (once), and it expires; its ledger is swept by expand.
local function bulk_end(b, rate, retention, reply_ms)
  local answer = bulk_answer(b, rate)
  call('HSET', b.key, 'finished_at', now_iso, 'response', answer)
  for queue in string.gmatch(call('HGET', b.key, '_reply') or '', '%S+') do
    tell('RPUSH', P .. 'reply:' .. queue, answer)
    call('PEXPIRE', P .. 'reply:' .. queue, reply_ms)
  end
  call('HDEL', b.key, '_reply', '_ttl')
  call('PEXPIRE', b.key, retention)
  call('PEXPIRE', b.key .. ':content', retention)
  call('UNLINK', b.key .. ':held')
  tell('ZADD', P .. 'expand', int(now_us), b.id)
  event(true, 'bulk.' .. b.status, 'id', b.id, 'total', int(b.total), 'sent', int(b.sent),
    'failed', int(b.failed), 'cancelled', int(b.cancelled))
end

-- Writes what changed. A bulk whose last recipient became final is done. Those without `retention`
-- end nothing: they leave that to expand.
local function bulks_write(retention, reply_ms)
  for _, b in pairs(bulks) do
    if b and b.dirty then
      local ended = b.sent + b.failed
      local rate = ended > 0 and string.format('%.2f', 100 * b.sent / ended) or '0.00'
      if retention and b.status == 'sending' and b.queued == 0 then
        b.status = 'done'
      end
      call('HSET', b.key, 'status', b.status, '_more', b.more and '1' or '0', '_ready',
        int(b.ready), 'total_leads', int(b.total), 'messages_queued', int(b.queued),
        'messages_sending', int(b.sending), 'messages_sent', int(b.sent), 'messages_failed',
        int(b.failed), 'messages_cancelled', int(b.cancelled), 'success_rate', rate, 'updated_at',
        now_iso)
      for code, n in pairs(b.errors) do
        call('HINCRBY', b.key, 'errors:' .. code, n)
      end
      if retention and (b.status == 'done' or b.over) and b.queued == 0
        and call('HEXISTS', b.key, 'finished_at') == 0 then
        bulk_end(b, rate, retention, reply_ms)
      elseif not retention and b.over and b.queued == 0 then
        tell('ZADD', P .. 'expand', int(now_us), b.id) -- where it is ended
      end
    end
  end
  for sender, n in pairs(extras) do
    if n ~= 0 then
      tell('HINCRBY', P .. 'sender:' .. sender, '_extra', int(n))
    end
  end
end

-- The ledger's key of a lead: crc32(lead) mod shards. Workers say it where it costs; this is for
-- the seldom ways.
local crc_table
local function ledger_of(b, lead)
  if not crc_table then
    crc_table = {}
    for i = 0, 255 do
      local c = i
      for _ = 1, 8 do
        c = bit.band(c, 1) == 1 and bit.bxor(bit.rshift(c, 1), -306674912) or bit.rshift(c, 1)
      end
      crc_table[i] = c
    end
  end
  local crc = -1
  for i = 1, #lead do
    crc = bit.bxor(bit.rshift(crc, 8), crc_table[bit.band(bit.bxor(crc, string.byte(lead, i)), 255)])
  end
  return b.key .. ':ledger:' .. int(bit.bnot(crc) % 4294967296 % math.max(1, b.shards))
end
