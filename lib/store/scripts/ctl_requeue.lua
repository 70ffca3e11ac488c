-- ctl_requeue: rejected jobs go back to a job list, byte for byte.
-- ARGV: 4 list ('jobs', 'jobs:high', 'jobs:low'), 5 and on: entry ids, well-formed ones.
-- Returns {'ok', 1 or 0 per id}: 0 = there is no such entry, or another operator was faster.
local out, key = { 'ok' }, P .. 'rejected'

local function raw_of(id)
  local entry = call('XRANGE', key, id, id)[1]
  for i = 1, entry and #entry[2] or 0, 2 do
    if entry[2][i] == 'raw' then
      return entry[2][i + 1]
    end
  end
end

for i = 5, #ARGV do
  local raw = raw_of(ARGV[i])
  if raw then
    call('LPUSH', P .. ARGV[4], raw)
    call('XDEL', key, ARGV[i])
  end
  out[#out + 1] = raw and 1 or 0
end
return out
