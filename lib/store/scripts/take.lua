-- take: moves up to n raw jobs, bounded by bytes, from the job lists to this worker's claimed list.
-- ARGV: 4 tag, 5 n, 6 max bytes in all, 7 max bytes of one job, 8 bytes from which a job is large.
-- Returns {'ok', how many high, how many normal, {raw, ...}} in that order, the rest being low, or
-- {'fenced'}. A large job is the last of its batch; it is not among the raw ones, but put where it
-- can be read piece by piece, and its length comes fifth. A job over the cap goes to the rejected
-- stream right here, so that it never crosses the wire.
if fenced() then
  return { 'fenced' }
end
check_types()
for _, list in ipairs({ 'jobs:high', 'jobs', 'jobs:low' }) do
  call('LLEN', P .. list)
end
local claimed = P .. 'claimed:' .. W
if call('EXISTS', claimed) == 1 then
  unclaim(W)
end
local room, bytes, max_job = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local large = tonumber(ARGV[8])
local keep, counts = {}, { 0, 0, 0 }

-- Whom two deaths leave under suspicion is taken alone: the next death shows which one it is.
local suspects = call('HLEN', P .. 'suspects') > 0
local function is_suspect(raw)
  return suspects and deaths_of(raw) >= 2
end

-- The first alone: among several large ones all but one would be popped in vain, each time.
local function some(n)
  return #keep == 0 and 1 or math.min(n, room, 8)
end

-- High first; one place in eight is kept for each lower list, so that none starves.
local function take_from(list, class, n)
  while n > 0 and room > 0 and bytes > 0 do
    local got = call('RPOP', P .. list, some(n))
    if not got then
      return
    end
    for k, raw in ipairs(got) do
      local alone = is_suspect(raw)
      if alone and #keep > 0 then
        bytes = 0
      end
      if bytes <= 0 then
        -- Full: what was popped beyond it goes back to its place.
        for back = #got, k, -1 do
          call('RPUSH', P .. list, got[back])
        end
        return
      end
      if #raw > max_job then
        refuse_raw(raw, 'too_large', 'the job has ' .. #raw .. ' bytes; the cap is ' .. int(max_job))
      else
        keep[#keep + 1] = raw
        counts[class] = counts[class] + 1
        room, bytes = room - 1, (alone or #raw >= large) and 0 or bytes - #raw
      end
      n = n - 1
    end
  end
end

local share = math.floor(room / 8)
take_from('jobs:high', 1, room - 2 * share)
take_from('jobs', 2, room - share)
take_from('jobs:low', 3, room)
if room > 0 and bytes > 0 and counts[3] == 0 and (counts[1] > 0 or counts[2] > 0) then
  -- The shares kept back were not used: fill up, the order of classes in `keep` must hold, so only
  -- from the class that was taken last.
  local class = counts[2] > 0 and 2 or 1
  take_from(class == 2 and 'jobs' or 'jobs:high', class, room)
end
if #keep > 0 then
  call('RPUSH', claimed, ARGV[4] .. ':' .. counts[1] .. ':' .. counts[2] .. ':' .. counts[3],
    unpack(keep))
end
if #keep > 0 and #keep[#keep] >= large then
  local raw = table.remove(keep)
  call('SET', P .. 'reading:' .. W, raw, 'PX', 600000)
  return { 'ok', counts[1], counts[2], keep, #raw }
end
return { 'ok', counts[1], counts[2], keep }
