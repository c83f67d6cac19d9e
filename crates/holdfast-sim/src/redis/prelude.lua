-- What a library finds in a server. `ask` is the server's: whether it went well, and the reply or the error.
local ask = ...

local redis, registered = {}, {}

function redis.call(...)
  local is_well, reply = ask(...)
  if is_well then return reply end
  error({ err = reply })
end

function redis.pcall(...)
  local is_well, reply = ask(...)
  if is_well then return reply end
  return { err = reply }
end

function redis.error_reply(text)
  return { err = text }
end

function redis.status_reply(text)
  return { ok = text }
end

function redis.register_function(it)
  assert(not registered[it.function_name], 'Function already exists in the library')
  local is_read_only = false
  for _, flag in ipairs(it.flags or {}) do is_read_only = is_read_only or flag == 'no-writes' end
  registered[it.function_name] = { it.callback, is_read_only }
end

_G.redis = redis

local function run(name, keys, args)
  return pcall(registered[name][1], keys, args)
end

local function lock()
  redis.register_function = nil
  setmetatable(_G, {
    __index = function(_, name) error({ err = "ERR Script attempted to access nonexistent global variable '" .. tostring(name) .. "'" }) end,
    __newindex = function() error({ err = 'ERR Attempt to modify a readonly table' }) end,
  })
end

return registered, run, lock
