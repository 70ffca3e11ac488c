-- queues: in front of claim. Taking messages, and references of bulks, out of a sender's queues.
--
-- Elements looked at per sender and call, at most: messages that no longer wait cost time too.
local LOOK_MAX = 1024

-- References that may be sent: an element that was popped, as far as its bulk goes on. What a
-- pause holds up is set aside, what was cancelled is dropped: both were counted then.
local function ref_open(element, ref)
  local b = bulk_of(ref.bulk)
  if not b or b.over then
    return nil, b
  elseif b.status == 'paused' then
    call('RPUSH', b.key .. ':held', element)
    return nil, b
  end
  ref.b = b
  if ref.mark == '+' then
    local left, n = {}, 0
    for lead in string.gmatch(ref.leads, '[^%z]+') do
      if call('HEXISTS', ledger_of(b, lead), lead) == 0 then
        n = n + 1
        left[n] = lead .. '\0'
      end
    end
    ref.rest, ref.left = table.concat(left), n
  else
    ref.rest, ref.left = ref.leads, ref.n
  end
  return ref.left > 0 and ref or nil, b
end

-- The first n (or all) of an open element.
local function ref_cut(ref, n)
  local cut = { b = ref.b, mark = ref.mark, attempts = ref.attempts, n = ref.left, leads = ref.rest }
  if n < ref.left then
    local at = 0
    for _ = 1, n do
      at = string.find(ref.rest, '\0', at + 1, true)
    end
    cut.n, cut.leads = n, string.sub(ref.rest, 1, at)
    ref.rest = string.sub(ref.rest, at + 1)
  end
  ref.left = ref.left - cut.n
  return cut
end

-- Of the sender being served:
local queue       -- by class: how many elements its queues have, `lanes` of all lanes, and `all`
local opened = {} -- by class: the element being cut
local looked = 0  -- elements popped
local turned = 0  -- those of them that were references
local wide = false -- nothing bounds it, and there is room for so many more than its turn has
local lanes = {}  -- by class: how many lanes there are
local moved = 0   -- elements that came to lanes without put()
local turns = 0   -- lanes served
local held_up     -- by a key of another type

-- `class` is a number, or has a lane behind it: what a message's `_priority` says.
local function queue_add(class, n)
  local part = queue[class] and class or queue[tonumber(class)] and tonumber(class) or 'lanes'
  queue[part], queue.all = queue[part] + n, queue.all + n
end

-- The same where the queue is written here.
local function queue_move(class, n)
  queue_add(class, n)
  moved = moved + (queue[class] and 0 or n)
end

-- Read once, so that empty queues need not be asked.
local function open_queues(sender, in_lanes)
  local sum = 0
  queue, moved, lanes, held_up = { all = 0, lanes = 0 }, 0, {}, false
  for class = 0, LAST_CLASS do
    local count = 0
    if in_lanes > 0 and class > 0 then
      count = ask('ZCARD', lanes_key(sender, class))
    end
    held_up = held_up or not count
    lanes[class] = count or 0
    sum = sum + lanes[class]
    queue[class] = 0
    queue_add(class, ask('LLEN', ready_key(sender, class)) or 0)
  end
  if in_lanes ~= 0 and sum == 0 and not held_up then
    moved = -in_lanes -- somebody deleted them: fsck finds what waits there
  else
    queue_add('lanes', in_lanes)
  end
end

-- Takes n of an open element (or all there are) as an entry; returns how many.
local function take_refs(ids, class, ref, n)
  if n <= 0 then -- never met, as long as `_extra` is true
    opened[class] = ref
    return 0
  end
  -- Rather too many at a time than to cut an element.
  local whole = wide and ref.left < math.max(2 * n, n + wide + 1)
  local cut = ref_cut(ref, whole and ref.left or n)
  ids[#ids + 1] = cut
  opened[class] = ref.left > 0 and ref or nil
  return cut.n
end

-- Adds up to `count` messages of a queue to ids; returns how many they are. Where elements of many
-- wait they are popped one by one.
local function take_queue(ids, sender, class, count, many)
  local got, empty, key = 0, false, ready_key(sender, class)
  while got < count and turned < LOOK_MAX do
    if opened[class] then
      got = got + take_refs(ids, class, opened[class], count - got)
    elseif empty then
      break
    else
      local asked = many and 1 or count - got
      local popped = queue[class] ~= 0 and tell('LPOP', key, asked) or {}
      if popped.err then
        complain(key)
      end
      looked, empty = looked + #popped, #popped < asked
      queue_move(class, -#popped)
      for k, id in ipairs(popped) do
        if not is_ref(id) then
          ids[#ids + 1] = id
          got = got + 1
        elseif opened[class] then
          queue_move(class, #popped - k + 1)
          call('LPUSH', key, unpack(popped, k)) -- never met, as long as `_extra` is true
          break
        else
          local all = ref_unpack(id)
          local ref, b = ref_open(id, all)
          turned = turned + 1
          refs_count(sender, b, -all.n, -1)
          if ref then
            got = got + take_refs(ids, class, ref, count - got)
          end
        end
      end
    end
  end
  return got
end

-- What is in no lane takes its turn like one, under a name that none can have.
local NO_LANE = '-/'

local function lane_class(class, lane)
  return lane == NO_LANE and class or class .. '/' .. lane
end

-- The same of a class with its lanes, each of which gets an equal share.
local function take(ids, sender, class, count, many)
  if lanes[class] == 0 or count <= 0 then
    return take_queue(ids, sender, class, count, many)
  end
  local key, got = lanes_key(sender, class), 0
  if queue[class] > 0 or opened[class] then
    lanes[class] = lanes[class] + tell('ZADD', key, 'NX', int(now_us), NO_LANE)
  end
  repeat
    local names = tell('ZRANGEBYSCORE', key, '-inf', int(now_us + turns), 'LIMIT', 0, count - got)
    local share = math.max(1, math.floor((count - got) / #names))
    for _, lane in ipairs(names) do
      local n = take_queue(ids, sender, lane_class(class, lane), share, many)
      got = got + n
      if n < share and turned < LOOK_MAX then
        lanes[class] = lanes[class] - tell('ZREM', key, lane)
      else
        turns = turns + 1
        tell('ZADD', key, int(now_us + turns), lane)
      end
    end
  until #names == 0 or got >= count or turned >= LOOK_MAX
  return got
end

-- A lane whose next message has to wait lets the others pass until then. False: it is in none.
local function park_lane(sender, priority, at)
  local class, lane = string.match(priority, '^(%d)/(.+)$')
  return lane and tell('ZADD', lanes_key(sender, class), int(at), lane) and true
end

-- When the first lane may be served again, if all that waits is in lanes that are parked.
local function lanes_wait(sender)
  local first = math.huge
  if queue.lanes == 0 or queue.lanes < queue.all then
    return nil
  end
  for class = 1, LAST_CLASS do
    local due = lanes[class] > 0 and tell('ZRANGE', lanes_key(sender, class), 0, 0, 'WITHSCORES')
    first = math.min(first, due and due[2] and tonumber(due[2]) or math.huge)
  end
  return first < math.huge and first > now_us + turns and first or nil
end

-- What is left of open elements goes back to the head of its queue.
local function close_queues(sender)
  for class, ref in pairs(opened) do
    queue_move(class, 1)
    call('LPUSH', ready_key(sender, class), ref_pack(ref.mark, ref.b.id, ref.attempts,
      int(ref.left), ref.rest))
    refs_count(sender, ref.b, ref.left, 1)
    opened[class] = nil
    if not queue[class] then
      local number, lane = string.match(class, '^(%d)/(.+)$')
      lanes[tonumber(number)] = lanes[tonumber(number)]
        + tell('ZADD', lanes_key(sender, number), 'NX', int(now_us), lane)
    end
  end
  if moved ~= 0 then
    tell('HINCRBY', P .. 'sender:' .. sender, '_in_lanes', moved)
  end
  for class = 1, moved < 0 and queue.lanes == 0 and LAST_CLASS or 0 do
    if lanes[class] > 0 then
      tell('DEL', lanes_key(sender, class)) -- lanes that became empty
    end
  end
end

-- Ids by class: first what fails rather than waits. By priority of 20 sends at least one is low and
-- three are normal, if there are any. MARKETING's have what the others leave. And whether any urgent
-- one is among them, or still waits.
local function pop(sender, n, served, many)
  local ids, urgent = {}, 0
  local left = n - take(ids, sender, 0, n, many)
  for class = 1, 4, 3 do
    local low = math.floor((served + left) / 20) - math.floor(served / 20)
    local normal = math.floor((served + left) / 5) - math.floor(served / 5) - low
    local high = take(ids, sender, class, left - low - normal, many)
    left = left - high
    left = left - take(ids, sender, class + 1, left - low, many)
    left = left - take(ids, sender, class + 2, left, many)
    local more = take(ids, sender, class, left, many)
    left = left - more
    left = left - take(ids, sender, class + 1, left, many)
    urgent = class == 1 and high + more or urgent
  end
  return ids, urgent > 0 or queue[1] > 0 or lanes[1] > 0
end

-- How many were served, for the next pop: of those that go one by one a normal one that went while no
-- urgent one waited was its share of five, so that the next urgent one goes at once. (Not in the
-- last five of twenty, which has the low one.)
local function served_one(served, urgent)
  local part = not urgent and served % 20 < 15 and 5 - served % 5 or 1
  return served + part
end

-- Puts a popped id back to the head of its queue; its lane is the next.
local function unpop(sender, id)
  local class = tell('HGET', P .. 'message:' .. id, '_priority')
  class = type(class) == 'string' and class or '2'
  put('LPUSH', ready_key(sender, class), { id })
  queue_add(class, 1)
  park_lane(sender, class, 0)
end
