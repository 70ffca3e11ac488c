-- start: marks messages whose `uncertain` is `fail` just before their request leaves, so that a
-- crash can tell "leased" from "perhaps sent".
-- ARGV: 4 count, then per message: id fence; a bulk's recipient is "@<slice>:<place>".
-- Returns {'ok', 1|0, ...}: 0 = the lease is lost, do not send.
allow_oom()
local out = { 'ok' }

-- A recipient of a bulk is marked at its place in the slice.
local function mark_place(slice, place)
  local key = P .. 'refs:' .. W
  local places = call('HGET', key, slice .. '.')
  if not places or string.byte(places, place) == 48 then
    return 0
  end
  call('HSET', key, slice .. '.', string.sub(places, 1, place - 1) .. '2'
    .. string.sub(places, place + 1))
  return 1
end

for i = 5, 4 + 2 * tonumber(ARGV[4]), 2 do
  local slice, place = string.match(ARGV[i], '^@(%d+):(%d+)$')
  local key = P .. 'message:' .. ARGV[i]
  local m = slice and {} or call('HMGET', key, 'status', '_fence')
  if slice then
    out[#out + 1] = mark_place(slice, tonumber(place))
  elseif m[1] == 'sending' and m[2] == ARGV[i + 1] then
    call('HSET', key, '_started', ARGV[i + 1])
    out[#out + 1] = 1
  else
    out[#out + 1] = 0
  end
end
return out
