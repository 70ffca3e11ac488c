-- ctl_leads: stores leads (adds or changes them) and keeps the indexes: the set of all, and one per
-- assignee.
-- ARGV: 4 and on, per lead: id, number of fields, names and values, number of names to remove,
-- names. Returns {'ok', per lead 'created', 'updated' or 'type' (its key holds no hash: untouched)}.
local out, all = { 'ok' }, P .. 'leads'
local i = 4

local function assign(id, before, after)
  before, after = before or '', after or ''
  if before ~= '' and before ~= after then
    call('SREM', P .. 'leads:assignee:' .. before, id)
  end
  if after ~= '' then
    call('SADD', P .. 'leads:assignee:' .. after, id)
  end
end

local function store(id, first, sets, removes)
  local key = P .. 'lead:' .. id
  local kind = call('TYPE', key).ok
  if kind ~= 'hash' and kind ~= 'none' then
    return 'type'
  end
  local before = call('HGET', key, 'assigned_to')
  if sets > 0 then
    call('HSET', key, unpack(ARGV, first, first + sets - 1))
  end
  if removes > 0 then
    call('HDEL', key, unpack(ARGV, first + sets + 1, first + sets + removes))
  end
  assign(id, before, call('HGET', key, 'assigned_to'))
  if call('EXISTS', key) == 1 then
    call('SADD', all, id)
  else
    call('SREM', all, id)
  end
  return kind == 'none' and 'created' or 'updated'
end

while i <= #ARGV do
  local sets = tonumber(ARGV[i + 1]) * 2
  local removes = tonumber(ARGV[i + 2 + sets])
  out[#out + 1] = store(ARGV[i], i + 2, sets, removes)
  i = i + 3 + sets + removes
end
return out
