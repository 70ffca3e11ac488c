-- fsck: in front of ctl_fsck and ctl_fsck_counts, which look at some keys at one moment, say what is
-- wrong with them, and mend what is safe. What one call sees is one moment: a message that moves
-- meanwhile is in one place or the other.
-- ARGV: 4 what to look at (one of `looks`), 5 '1' = mend, 6 retention ms, 7 and on: its arguments.
-- Returns {'ok', findings {kind, key, what, '1' mended | '0', ...}, and what the look returns}.
-- A key of another type than it must have reads as empty: that it is one, `types` says.
local mending, retention = ARGV[5] == '1', ARGV[6]
local looks, findings = {}, {}

-- What cannot be mended, since a key in its way has another type, is only told.
local function finding(kind, key, what, mend)
  local mended = mending and mend and pcall(mend)
  for _, v in ipairs({ kind, key, what, mended and '1' or '0' }) do
    findings[#findings + 1] = v
  end
end

local function text(v)
  return type(v) == 'string' and v or nil
end

local function number(...)
  local n = tell(...)
  return type(n) == 'number' and n or 0
end

local function list(...)
  local t = tell(...)
  return type(t) == 'table' and not t.err and t or {}
end

local function score(key, member)
  return text(tell('ZSCORE', key, member))
end

-- A key that must expire, or must not.
local function check_ttl(key, expires)
  local ttl = call('PTTL', key)
  if expires and ttl == -1 then
    finding('no_ttl', key, 'is never forgotten', function()
      call('PEXPIRE', key, retention)
    end)
  elseif not expires and ttl >= 0 then
    finding('expires', key, 'would be forgotten before its work is done', function()
      call('PERSIST', key)
    end)
  end
end

local tally, tally_out = {}, {}

-- Counts n final ones as finish does, under "<day> <field of stats:<day>>".
local function count(day, status, n, provider, channel, sender)
  for scope, name in pairs({ provider = provider, channel = channel, sender = sender }) do
    local what = day .. ' ' .. scope .. ':' .. name .. ':' .. status
    tally[what] = (tally[what] or 0) + n
  end
end

local function tallied()
  for what, n in pairs(tally) do
    tally_out[#tally_out + 1] = what
    tally_out[#tally_out + 1] = int(n)
  end
  return tally_out
end

local function look()
  local first, second = looks[ARGV[4]]()
  return { 'ok', findings, first or 0, second or {} }
end
