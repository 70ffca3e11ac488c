-- leave: gives up this worker's identity at an exit. ARGV: 4 worker name.
-- What it still holds - a transfer that outlasted the drain, messages of a claim whose answer it
-- did not wait for - must be found by others: then its lease ends now, and the next recover brings
-- them back. Forgotten, it would leave them `sending` for good.
local workers = P .. 'workers'
if call('EXISTS', P .. 'lease:' .. W, P .. 'refs:' .. W, P .. 'claimed:' .. W) == 0 then
  call('ZREM', workers, W)
else
  call('ZADD', workers, 'XX', 0, W)
end
for _, name in ipairs({ ARGV[4], ARGV[4] .. '.' .. string.sub(W, 1, 8) }) do
  if tell('HGET', P .. 'worker:' .. name, '_id') == W then
    call('DEL', P .. 'worker:' .. name)
  end
end
return { 'ok' }
