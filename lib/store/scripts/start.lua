-- start: marks messages whose `uncertain` is `fail` just before their request leaves, so that a
-- crash can tell "leased" from "perhaps sent".
-- ARGV: 4 count, then per message: id fence. Returns {'ok', 1|0, ...}: 0 = the lease is lost, do
-- not send.
allow_oom()
local out = { 'ok' }
for i = 5, 4 + 2 * tonumber(ARGV[4]), 2 do
  local key = P .. 'message:' .. ARGV[i]
  local m = call('HMGET', key, 'status', '_fence')
  if m[1] == 'sending' and m[2] == ARGV[i + 1] then
    call('HSET', key, '_started', ARGV[i + 1])
    out[#out + 1] = 1
  else
    out[#out + 1] = 0
  end
end
return out
