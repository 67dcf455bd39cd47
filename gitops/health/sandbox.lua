-- Runs one health check with nothing but pure functions, within bounds of time and memory.
-- Takes the script; returns a function of the object. Lua's count hook does not fire inside C functions, so those whose
-- cost can grow are wrapped: each looks at the clock, and matching is refused where it could take too long.
local source, milliseconds, steps = ...

local clock, sethook, setfenv, error, type = os.clock, debug.sethook, setfenv, error, type
local deadline, spent = 0, 0

local function tick()
  if clock() > deadline then
    sethook(tick, "", 1) -- a pcall may swallow this error, but not the next one
    error("the check took longer than " .. milliseconds .. " ms", 0)
  end
end

local function guarded(inner)
  return function(...) tick() return inner(...) end
end

local find, gsub, rep, len, sub, byte = string.find, string.gsub, string.rep, string.len, string.sub, string.byte

-- The most steps that a backtracking match may take: length of the text to the power of its repetitions.
local function bounded(inner, plain_at)
  return function(text, pattern, ...)
    tick()
    if type(text) == "number" then text = text .. "" end
    if type(text) == "string" and type(pattern) == "string" and not (plain_at and select(plain_at, ...)) then
      local _, repeats = gsub(pattern, "[%*%+%-%?]", "")
      spent = spent + (len(text) + 1) ^ (repeats + (sub(pattern, 1, 1) == "^" and 0 or 1))
      if spent > 4e6 then error("a pattern is too expensive to match", 0) end
    end
    return inner(text, pattern, ...)
  end
end

local strings = {
  byte = guarded(string.byte), char = guarded(string.char), format = guarded(string.format), len = string.len,
  lower = guarded(string.lower), upper = guarded(string.upper), reverse = guarded(string.reverse),
  sub = guarded(string.sub),
  find = bounded(find, 2), match = bounded(string.match), gmatch = bounded(string.gmatch), gsub = bounded(gsub),
  rep = function(text, count)
    tick()
    if type(count) == "number" and len(text) * count > 1e6 then error("string.rep makes too long a text", 0) end
    return rep(text, count)
  end,
}

local sort = table.sort
local tables = {
  insert = guarded(table.insert), remove = guarded(table.remove), concat = guarded(table.concat),
  sort = function(list, ...)
    tick()
    if type(list) == "table" and #list > 20000 then error("table.sort has too much to sort", 0) end
    return sort(list, ...)
  end,
  maxn = guarded(table.maxn),
}

local function copy(from)
  local to = {}
  for key, value in pairs(from) do to[key] = value end
  return to
end

getmetatable("").__index = strings

local function environment(obj)
  local env = {
    obj = obj, assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, pcall = pcall,
    select = select, tonumber = tonumber, tostring = tostring, type = type, unpack = guarded(unpack),
    rawget = rawget, rawset = rawset, rawequal = rawequal, setmetatable = setmetatable,
    getmetatable = function(value) return type(value) == "table" and getmetatable(value) or nil end,
    print = function() end, _VERSION = _VERSION,
    math = copy(math), string = copy(strings), table = copy(tables),
    os = { time = os.time, date = guarded(os.date), clock = os.clock, difftime = os.difftime },
  }
  env._G = env
  return env
end

local chunk, problem = loadstring(source, "=check")
if not chunk then error(problem, 0) end
if byte(source, 1) == 27 then error("a check must be text", 0) end

return function(obj)
  setfenv(chunk, environment(obj))
  deadline, spent = clock() + milliseconds / 1000, 0
  sethook(tick, "", steps)
  local ok, result = pcall(chunk)
  sethook()
  if not ok then error(type(result) == "string" and result or "the check raised an error", 0) end
  if result == nil then return true, nil, nil end
  if type(result) ~= "table" then error("a check must return a table, not a " .. type(result), 0) end
  local status, message = rawget(result, "status"), rawget(result, "message")
  return true, status ~= nil and tostring(status) or nil, message ~= nil and sub(tostring(message), 1, 4096) or nil
end
