-- ctl_purge: gives up dead letters, the oldest first: they leave the list, and their content goes.
-- ARGV: 4 none younger than this (Unix ms), 5 at most this many. Returns {'ok', count}.
-- The messages' hashes stay until their retention ends: what became of a message can be asked.
allow_oom()
local dead = P .. 'dead'
local ids = call('ZRANGEBYSCORE', dead, '-inf', ARGV[4], 'LIMIT', 0, ARGV[5])
for _, id in ipairs(ids) do
  local status = call('HGET', P .. 'message:' .. id, 'status')
  if not status or status == 'failed' then
    call('UNLINK', P .. 'content:' .. id, P .. 'text:' .. id)
  end
end
if #ids > 0 then
  call('ZREM', dead, unpack(ids))
end
return { 'ok', #ids }
