#!lua name=holdfast_V
local V = 'V'

-- The order of everything, in one process of Redis. Nodes call this through FCALL; no one else writes the
-- keys. `V` above, twice, is replaced by the version; nothing is ever loaded over another version.
--
-- `reign` below lives in this process alone: it is nil after a restart, on a replica, and after the library
-- came from elsewhere. Together with `master_replid` it proves that this is the process that the reign began in.
-- `head` proves that the process still has what it wrote; what a node has seen proves that the process itself was
-- not set back. Any doubt refuses, and another epoch has to be won.
--
-- Keys of log N: {holdfast:N} ("meta": a hash of epoch, last, clock, trimmed, snapshot_0, snapshot_1 as "sequence
-- epoch clock"), {holdfast:N}:log (a stream), {holdfast:N}:snapshot:0 and :1, {holdfast:N}:view (a hash to look at).
-- Of the store: {holdfast} (a hash of owner, epoch). An item of the stream is a batch: its id is "last-0", its fields
-- are n (how many entries), e (epoch), c (clock, ms) and b (bytes); its first entry's sequence is last - n + 1.
--
-- Arguments are token, epoch, node, then those written beside each function. Numbers are decimal texts below 2^53.
-- Node ids are lower-case letters and digits. Replies begin with a word; of a batch they have last, n, e, c, b.
-- Each but `reign` may answer NO_REIGN e (the epoch that is in force here, 0: none) and NOT_ON_ROLL. An error is a
-- wrong call. Nothing is written before all is checked, and what is written first is the only thing that can fail.
-- Whatever `open` and `append` say (but for a refusal) comes with a write, so that WAIT on the same connection covers
-- it and all before it: since Redis 7.2 WAIT looks no further back than that connection's last write, and before as
-- after it takes old acknowledgements where nothing new was written.

local EXACT = 2 ^ 53 -- from here on Lua's numbers skip whole ones
local STEP = 500 -- ms that the clock gains at most in one batch
local PAGE = 512 -- batches in one reply
local LAG = 2 ^ 20 -- entries that a node of the roll may be behind
local RECENT = 1024 -- changes that `news` finds without looking through all logs

local reign -- token, epoch, replid, roll, head, opened, duties, left, pieces, count, changed, recent

local function fail(why)
  error({ err = 'HOLDFAST ' .. why })
end

local function text(number)
  return string.format('%.0f', number)
end

local function whole(value, what, most)
  local number = value and #value <= 16 and string.find(value, '^%d+$') and tonumber(value)
  if not number or number > (most or EXACT - 1) then fail(what .. ' is not a number in its range') end
  return number
end

local function given(value, what)
  return value or fail(what .. ' is missing')
end

local function ascending(set)
  local list = {}
  for key in pairs(set) do list[#list + 1] = key end
  table.sort(list)
  return list
end

local function process()
  local info = redis.call('INFO', 'replication')
  return string.find(info, 'role:master', 1, true) and string.match(info, 'master_replid:(%x+)')
end

local function refused(args, joins)
  if not reign then return { 'NO_REIGN', 0 } end
  if args[1] ~= reign.token or args[2] ~= reign.epoch_text then return { 'NO_REIGN', reign.epoch } end
  if process() ~= reign.replid then -- replaced or demoted: it does not come back
    reign = nil
    return { 'NO_REIGN', 0 }
  end
  if not reign.roll[args[3]] and not joins then return { 'NOT_ON_ROLL' } end
end

local function register(name, count, flags, body)
  redis.register_function({
    function_name = 'holdfast_' .. V .. '_' .. name,
    flags = flags,
    callback = function(keys, args)
      if #keys ~= count then fail('it takes ' .. count .. ' keys') end
      return name ~= 'reign' and refused(args, name == 'join') or body(keys, args)
    end,
  })
end

local function persisted(meta)
  local has = redis.call('HMGET', meta, 'epoch', 'last', 'clock', 'trimmed')
  return tonumber(has[1] or 0), tonumber(has[2] or 0), tonumber(has[3] or 0), tonumber(has[4] or 0)
end

-- Whether the stream ends where meta says: somebody may have deleted it by hand.
local function is_there(stream, last, trimmed)
  local top = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if not top then return last == trimmed end
  return string.match(top[1], '^%d+') == text(last)
end

-- The two snapshots' sequence, epoch and clock, the newer first; `slot` is 0 or 1, and sequence 0 is none.
local function snapshots(meta)
  local has = redis.call('HMGET', meta, 'snapshot_0', 'snapshot_1')
  local found = {}
  for slot = 0, 1 do
    local sequence, epoch, clock = string.match(has[slot + 1] or '0 0 0', '^(%d+) (%d+) (%d+)$')
    found[slot + 1] = { slot = slot, sequence = tonumber(sequence), epoch = tonumber(epoch), clock = tonumber(clock) }
  end
  if found[2].sequence > found[1].sequence then return found[2], found[1] end
  return found[1], found[2]
end

-- Somebody knows of more than is here: this process was set back, and must not reign over anyone any more.
local function rolled_back(to)
  reign = nil
  return { 'ROLLED_BACK', to }
end

-- What refuses a call on a log that has to be open; else what is persisted of it.
local function opened(meta, log, stream)
  local head = reign.head[log]
  if not head then return { 'NOT_OPEN' } end
  local epoch, last, clock, trimmed = persisted(meta)
  if epoch ~= reign.epoch or last ~= head or not is_there(stream, last, trimmed) then return rolled_back(last) end
  return nil, last, clock, trimmed
end

-- What refuses to write a log back; else what is persisted of it.
local function closed(meta, log, from_epoch)
  if reign.head[log] then return { 'OPEN' } end
  if from_epoch >= reign.epoch then fail('from_epoch is not of the past') end
  local epoch, last, clock = persisted(meta)
  if epoch > from_epoch then return { 'FENCED', epoch } end
  return nil, last, clock
end

-- Puts what comes after `at` bytes of a snapshot into the older one's place; says what refuses to. The older one is none
-- from its first piece on. Nodes take turns: whoever has begun is waited for.
local function put(keys, args, older, log, sequence, at, bytes)
  local its, key = reign.pieces[log], keys[3 + older.slot]
  local is_own = its and its.node == args[3]
  if its and not is_own and reign.roll[its.node] then return { 'BUSY', its.node } end
  if at == 0 then
    redis.call('HDEL', keys[1], 'snapshot_' .. older.slot)
    redis.call('SET', key, bytes)
  else
    if not is_own or its.sequence ~= sequence or its.length ~= at then return { 'DIFFERS', is_own and its.length or 0 } end
    redis.call('APPEND', key, bytes)
  end
  reign.pieces[log] = { node = args[3], sequence = sequence, length = at + #bytes }
end

local function stamp(clock, wanted)
  return math.max(clock, math.min(wanted, clock + STEP))
end

-- XADD is first: it alone can fail, when the stream is not what meta says.
local function add(stream, last, n, epoch, clock, bytes)
  redis.call('XADD', stream, text(last) .. '-0', 'n', text(n), 'e', text(epoch), 'c', text(clock), 'b', bytes)
end

-- Writes what is there already.
local function touch(meta, last)
  redis.call('HSET', meta, 'last', text(last))
end

local function head_is(log, last)
  reign.head[log] = last
  reign.count = reign.count + 1
  reign.changed[log] = reign.count
  reign.recent[reign.count % RECENT] = log
end

local function batches_after(stream, cursor, last)
  local flat = {}
  if cursor == last then return flat, false end
  local items = redis.call('XRANGE', stream, '(' .. text(cursor) .. '-0', '+', 'COUNT', PAGE + 1)
  for i = 1, math.min(#items, PAGE) do
    local fields = items[i][2]
    flat[#flat + 1] = string.match(items[i][1], '^%d+')
    for field = 2, 8, 2 do flat[#flat + 1] = fields[field] end
  end
  return flat, #items > PAGE
end

-- The node that would be too far behind. What sequences jumped over before this epoch is no lag.
local function lagging(log, last)
  local slowest, least
  for node, its in pairs(reign.roll) do
    local seen = its.seen[log] and math.max(its.seen[log], reign.opened[log])
    if seen and (not least or seen < least or (seen == least and node < slowest)) then slowest, least = node, seen end
  end
  return last - least > LAG and slowest
end

-- owner, roll (nodes)… → OK replid | OWNED owner | FENCED epoch. Begins a reign in this process: nothing is open.
register('reign', 1, {}, function(keys, args)
  local token, epoch, owner = given(args[1], 'token'), whole(args[2], 'epoch'), given(args[4], 'owner')
  local replid = process()
  if not replid then fail('a replica does not reign') end
  local has = redis.call('HMGET', keys[1], 'owner', 'epoch')
  if has[1] and has[1] ~= owner then return { 'OWNED', has[1] } end
  local highest = math.max(tonumber(has[2] or 0), reign and reign.epoch or 0)
  local is_own = reign and reign.token == token and reign.epoch == epoch and reign.replid == replid
  if highest > epoch or (highest == epoch and not is_own) then return { 'FENCED', highest } end
  redis.call('HSET', keys[1], 'owner', owner, 'epoch', text(epoch))
  if is_own then return { 'OK', replid } end
  reign = { token = token, epoch = epoch, epoch_text = text(epoch), replid = replid, roll = {}, head = {}, opened = {},
    duties = {}, left = {}, pieces = {}, count = 0, changed = {}, recent = {} }
  for i = 5, #args do reign.roll[args[i]] = { calls = 0, seen = {} } end
  return { 'OK', replid }
end)

-- Of meta, log → OK epoch last clock trimmed, as persisted; zeros if there is nothing, or not all of it. The log need
-- not be open.
register('position', 2, { 'no-writes' }, function(keys)
  local epoch, last, clock, trimmed = persisted(keys[1])
  if not is_there(keys[2], last, trimmed) then return { 'OK', 0, 0, 0, 0 } end
  return { 'OK', epoch, last, clock, trimmed }
end)

-- bytes → OK. Keeps what the node says of its logs.
register('hand_over', 0, { 'no-writes' }, function(_, args)
  reign.roll[args[3]].bytes = given(args[4], 'bytes')
  return { 'OK' }
end)

-- → OK, then node, bytes of each that has handed over.
register('heard', 0, { 'no-writes' }, function()
  local reply = { 'OK' }
  for _, node in ipairs(ascending(reign.roll)) do
    local bytes = reign.roll[node].bytes
    if bytes then reply[#reply + 1] = node; reply[#reply + 1] = bytes end
  end
  return reply
end)

-- log, who → OK | GONE (who is not on the roll). That node, and no other, is to restore the log.
register('assign', 0, { 'no-writes' }, function(_, args)
  local log = whole(args[4], 'log')
  if not reign.roll[args[5]] then return { 'GONE' } end
  reign.duties[log] = args[5]
  return { 'OK' }
end)

-- → OK, then the logs that the caller is to restore.
register('duties', 0, { 'no-writes' }, function(_, args)
  local reply = { 'OK' }
  for _, log in ipairs(ascending(reign.duties)) do
    if reign.duties[log] == args[3] then reply[#reply + 1] = log end
  end
  return reply
end)

-- Of meta, log. log, from_epoch, base, base_epoch, done (0, 1), then last, n, e, c, b of each batch → OK last | OPEN
-- | FENCED epoch | DIFFERS last. Puts back what comes after the batch that ends at base, as it was.
register('restore', 2, {}, function(keys, args)
  local log, from_epoch, base = whole(args[4], 'log'), whole(args[5], 'from_epoch'), whole(args[6], 'base')
  local base_epoch, done = whole(args[7], 'base_epoch'), whole(args[8], 'done', 1)
  local refusal, last, clock = closed(keys[1], log, from_epoch)
  if refusal then return refusal end
  local top = redis.call('XREVRANGE', keys[2], '+', '-', 'COUNT', 1)[1]
  local epoch = top and tonumber(top[2][4]) or snapshots(keys[1]).epoch
  if last ~= base or epoch ~= base_epoch then return { 'DIFFERS', last } end
  local batches = {}
  for i = 9, #args, 5 do
    local to, n, e = whole(args[i], 'last'), whole(args[i + 1], 'n'), whole(args[i + 2], 'e', from_epoch)
    local c, bytes = whole(args[i + 3], 'c'), given(args[i + 4], 'b')
    if n == 0 or to - n < last or e < epoch or c < clock then fail('the batches do not follow each other') end
    last, epoch, clock = to, e, c
    batches[#batches + 1] = { to, n, e, c, bytes }
  end
  for _, batch in ipairs(batches) do add(keys[2], unpack(batch)) end
  redis.call('HSET', keys[1], 'epoch', text(from_epoch), 'last', text(last), 'clock', text(clock))
  if done == 1 then reign.duties[log] = nil end
  return { 'OK', last }
end)

-- Of meta, log, snapshot 0, 1. log, from_epoch, sequence, epoch, clock, bytes → OK last | OPEN | FENCED epoch. Forgets
-- what is there and begins at that snapshot (sequence 0: with nothing).
register('reset', 4, {}, function(keys, args)
  local log, from_epoch, sequence = whole(args[4], 'log'), whole(args[5], 'from_epoch'), whole(args[6], 'sequence')
  local epoch, clock = whole(args[7], 'epoch', from_epoch), whole(args[8], 'clock')
  local bytes = given(args[9], 'bytes')
  local refusal = closed(keys[1], log, from_epoch)
  if refusal then return refusal end
  redis.call('DEL', keys[1], keys[2], keys[3], keys[4])
  if sequence == 0 then clock = 0 end
  redis.call('HSET', keys[1], 'epoch', text(from_epoch), 'last', text(sequence), 'clock', text(clock),
    'trimmed', text(sequence))
  if sequence > 0 then
    redis.call('SET', keys[3], bytes)
    redis.call('HSET', keys[1], 'snapshot_0', text(sequence) .. ' ' .. text(epoch) .. ' ' .. text(clock))
  end
  return { 'OK', sequence }
end)

-- Of meta, log. log, last, gap, clock, n, bytes → OK last clock | FENCED epoch | DIFFERS last | ROLLED_BACK last.
-- Begins the epoch in the log, with a batch that leaves `gap` sequences out, or (n = 0) without one.
register('open', 2, {}, function(keys, args)
  local log, expected, gap = whole(args[4], 'log'), whole(args[5], 'last'), whole(args[6], 'gap')
  local wanted, n, bytes = whole(args[7], 'clock'), whole(args[8], 'n', LAG), given(args[9], 'bytes')
  if reign.head[log] then
    local refusal, last, clock = opened(keys[1], log, keys[2])
    if not refusal then touch(keys[1], last) end
    return refusal or { 'OK', last, clock }
  end
  local epoch, last, clock, trimmed = persisted(keys[1])
  if epoch >= reign.epoch then return { 'FENCED', epoch } end
  if last ~= expected or not is_there(keys[2], last, trimmed) then return { 'DIFFERS', last } end
  if n > 0 then
    last, clock = whole(text(last + gap + n), 'last'), stamp(clock, wanted)
    add(keys[2], last, n, reign.epoch, clock, bytes)
  end
  redis.call('HSET', keys[1], 'epoch', text(reign.epoch), 'last', text(last), 'clock', text(clock))
  reign.opened[log], reign.duties[log] = last - n, nil
  head_is(log, last)
  return { 'OK', last, clock }
end)

-- Of meta, log, view. log, seen, cursor, clock, only_if_current (0, 1), n, bytes, then name, value… of the view → OK
-- first clock written (0, 1) [batches after cursor] | NOT_OPEN | ROLLED_BACK last | TRIMMED trimmed | BEHIND [batches] |
-- LAGGING node. `seen` is the highest sequence that the node knows of. What is not written is told as if it were.
register('append', 3, {}, function(keys, args)
  local log, seen, cursor = whole(args[4], 'log'), whole(args[5], 'seen'), whole(args[6], 'cursor')
  local wanted, only_if_current = whole(args[7], 'clock'), whole(args[8], 'only_if_current', 1)
  local n, bytes = whole(args[9], 'n', LAG), given(args[10], 'bytes')
  local refusal, last, clock, trimmed = opened(keys[1], log, keys[2])
  if refusal then return refusal end
  if last < math.max(seen, cursor) then return rolled_back(last) end
  if cursor < trimmed then return { 'TRIMMED', trimmed } end
  reign.roll[args[3]].seen[log] = cursor
  local others, has_more = batches_after(keys[2], cursor, last)
  if has_more then
    touch(keys[1], last)
    return { 'BEHIND', others }
  end
  local to, writes = whole(text(last + n), 'last'), n > 0 and (#others == 0 or only_if_current == 0)
  clock = stamp(clock, wanted)
  if writes then
    local node = lagging(log, to)
    if node then return { 'LAGGING', node } end
    add(keys[2], to, n, reign.epoch, clock, bytes)
    redis.call('HSET', keys[1], 'last', text(to), 'clock', text(clock))
    head_is(log, to)
  else
    touch(keys[1], last)
  end
  if #args > 10 and #args < 4000 then redis.pcall('HSET', keys[3], unpack(args, 11)) end
  return { 'OK', last + 1, clock, writes and 1 or 0, others }
end)

-- after, then log, last of each log that the node knows more of than when it asked before → OK counter, then the logs
-- that were opened or written since `after`, an earlier counter of this reign (who joins is counted as well) |
-- ROLLED_BACK counter. By it the others see that the node lives, and that this process has all that the node knows.
register('news', 0, { 'no-writes' }, function(_, args)
  local after, changed = whole(args[4], 'after'), {}
  local has_all = after <= reign.count
  for i = 5, #args, 2 do
    has_all = has_all and whole(args[i + 1], 'last') <= (reign.head[whole(args[i], 'log')] or 0)
  end
  if not has_all then return rolled_back(reign.count) end
  local own = reign.roll[args[3]]
  own.calls = own.calls + 1
  if reign.count - after <= RECENT then
    for at = after + 1, reign.count do
      local log = reign.recent[at % RECENT]
      if log then changed[log] = true end
    end
  else
    for log, at in pairs(reign.changed) do changed[log] = at > after or nil end
  end
  local reply = { 'OK', reign.count }
  for _, log in ipairs(ascending(changed)) do reply[#reply + 1] = log end
  return reply
end)

-- Of meta, snapshot 0, 1 → OK sequence epoch clock bytes of the newest; sequence 0 if there is none.
register('fetch', 3, { 'no-writes' }, function(keys)
  local newest = snapshots(keys[1])
  if newest.sequence == 0 then return { 'OK', 0, 0, 0, '' } end
  local bytes = redis.call('GET', keys[2 + newest.slot]) or fail('the snapshot is gone')
  return { 'OK', newest.sequence, newest.epoch, newest.clock, bytes }
end)

-- Of meta, log, snapshot 0, 1. log, sequence, at, bytes → OK 1 | OK 0 (there is one as new) | NOT_OPEN | ROLLED_BACK last
-- | BUSY node (it is writing one) | DIFFERS length. One piece of a snapshot that is too large for one call: what comes
-- after its first `at` bytes.
register('piece', 4, {}, function(keys, args)
  local log, sequence, at = whole(args[4], 'log'), whole(args[5], 'sequence'), whole(args[6], 'at')
  local bytes = given(args[7], 'bytes')
  local refusal = opened(keys[1], log, keys[2])
  if refusal then return refusal end
  local newest, older = snapshots(keys[1])
  if sequence <= newest.sequence then return { 'OK', 0 } end
  return put(keys, args, older, log, sequence, at, bytes) or { 'OK', 1 }
end)

-- Of meta, log, snapshot 0, 1. log, sequence, epoch, clock, at, bytes → as `piece` | BEYOND last | DIFFERS last (no batch
-- of that epoch ends there). The last piece, or all of it (at = 0): the snapshot is there, in the older one's place.
register('snapshot', 4, {}, function(keys, args)
  local log, sequence, epoch = whole(args[4], 'log'), whole(args[5], 'sequence'), whole(args[6], 'epoch')
  local clock, at, bytes = whole(args[7], 'clock'), whole(args[8], 'at'), given(args[9], 'bytes')
  local refusal, last = opened(keys[1], log, keys[2])
  if refusal then return refusal end
  if sequence > last then return { 'BEYOND', last } end
  local newest, older = snapshots(keys[1])
  if sequence <= newest.sequence then return { 'OK', 0 } end
  local id = text(sequence) .. '-0'
  local batch = redis.call('XRANGE', keys[2], id, id)[1]
  if not batch or batch[2][4] ~= text(epoch) then return { 'DIFFERS', last } end
  refusal = put(keys, args, older, log, sequence, at, bytes)
  if refusal then return refusal end
  reign.pieces[log] = nil
  redis.call('HSET', keys[1], 'snapshot_' .. older.slot, text(sequence) .. ' ' .. text(epoch) .. ' ' .. text(clock))
  return { 'OK', 1 }
end)

-- Of meta, log. log → OK trimmed | NOT_OPEN | ROLLED_BACK last. Drops what both snapshots and all nodes have.
register('trim', 2, { 'allow-oom' }, function(keys, args)
  local log = whole(args[4], 'log')
  local refusal, _, _, trimmed = opened(keys[1], log, keys[2])
  if refusal then return refusal end
  local _, older = snapshots(keys[1])
  local to = older.sequence
  for _, its in pairs(reign.roll) do
    if not its.watches then to = math.min(to, its.seen[log] or 0) end
  end
  local batch = redis.call('XREVRANGE', keys[2], text(to) .. '-0', '-', 'COUNT', 1)[1]
  if not batch then return { 'OK', trimmed } end
  trimmed = tonumber(string.match(batch[1], '^%d+'))
  redis.call('XTRIM', keys[2], 'MINID', text(trimmed + 1) .. '-0')
  redis.call('HSET', keys[1], 'trimmed', text(trimmed))
  return { 'OK', trimmed }
end)

-- who, watches (0, 1) → OK. It is on the roll from now on; whoever left stays away. Who only watches waits for the others
-- to go: it knows no log, and nobody waits for it.
register('join', 0, { 'no-writes' }, function(_, args)
  local who, watches = given(args[4], 'who'), whole(args[5], 'watches', 1)
  if reign.left[who] then return { 'NOT_ON_ROLL' } end
  if not reign.roll[who] then
    reign.roll[who] = { calls = 0, seen = {}, watches = watches == 1 }
    reign.count = reign.count + 1 -- a process that was set back does not know who came, and has counted less
    reign.recent[reign.count % RECENT] = false
  end
  return { 'OK' }
end)

-- who → OK, also when it was not on the roll. What it handed over and had seen is forgotten.
register('leave', 0, { 'no-writes' }, function(_, args)
  local who = given(args[4], 'who')
  reign.roll[who], reign.left[who] = nil, true
  return { 'OK' }
end)

-- → OK, then node, how often it asked for news, of each on the roll that does not only watch.
register('roll', 0, { 'no-writes' }, function()
  local reply = { 'OK' }
  for _, node in ipairs(ascending(reign.roll)) do
    if not reign.roll[node].watches then
      reply[#reply + 1] = node
      reply[#reply + 1] = reign.roll[node].calls
    end
  end
  return reply
end)
