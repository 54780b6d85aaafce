/** File of the script, relative to the folder of a generation. */
export const exchangeFile = 'lua/exchange.lua';

/** Limits of mirrors. */
export const mirrorLimits = {
  /** Longest mirrored body in bytes: requests with longer ones are not mirrored. */
  body: 16_384,
  /** Copies in progress, in each thread of HAProxy: of one tenant, and of all. */
  tenant: 32,
  all: 256,
  /** Seconds that a mirror may take for each step. */
  patience: 2,
};

/**
 * The filter of sections that mirror requests or limit the duration of exchanges. Only these sections call Lua. Each
 * thread has a state of its own, so that none waits for another.
 *
 * - `txn.deadline`: milliseconds after which an exchange ends at its next byte. Silence is limited by HAProxy's timeout.
 *   An error is the only way of a Lua filter to end a response that has begun; HAProxy prints it.
 * - `txn.mirrors`: `TENANT NUMERATOR/DENOMINATOR;OPTION=SERVER,SERVER …`, servers that get copies of requests as they go
 *   to the server. Options are another host (`host:NAME`), `bodiless`, and `original`: path and query in `txn.original`. The copy is sent by a task of its own after the request has been forwarded, so a mirror neither delays nor
 *   fails a request. Beyond the limits there is no copy.
 */
export const exchangeScript = `-- The filter of sections that mirror requests or limit the duration of exchanges.
local function now()
  local time = core.now()
  return time.sec * 1000 + time.usec / 1000
end

-- Headers of the connection; the copy has its own.
local own = {}
for _, name in ipairs({
  "connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-connection", "te", "trailer",
  "transfer-encoding", "upgrade",
}) do
  own[name] = true
end

local all = 0
local running = {}
local turns = {}

local Exchange = { id = "exchange", flags = filter.FLT_CFG_FL_HTX }
Exchange.__index = Exchange

function Exchange:new()
  return setmetatable({}, Exchange)
end

-- For requests, called before the rules of the section, which set the variables.
function Exchange:start_analyze(txn, channel)
  if self.ends ~= nil or not channel:is_resp() then filter.register_data_filter(self, channel) end
end

-- Returns one server of each mirror that gets a copy.
local function choose(txn, mirrors)
  local section = txn.f:be_name()
  local chosen = {}
  local number = 0
  for numerator, denominator, options, servers in mirrors:gmatch(" (%d+)/(%d+)([^= ]*)=(%S+)") do
    number = number + 1
    if math.random(tonumber(denominator)) <= tonumber(numerator) then
      local list = {}
      for server in servers:gmatch("[^,]+") do list[#list + 1] = server end
      local key = section .. " " .. number
      turns[key] = (turns[key] or math.random(0, 255)) + 1
      chosen[#chosen + 1] = {
        server = list[turns[key] % #list + 1],
        host = options:match(";host:([^;]+)"),
        isBodiless = options:find(";bodiless", 1, true) ~= nil,
        isOriginal = options:find(";original", 1, true) ~= nil,
      }
    end
  end
  return chosen
end

-- Reads what the request asks for. A filter of data costs time, and keeps upgraded connections from being tunnels.
local function begin(self, txn, message)
  local deadline = txn:get_var("txn.deadline")
  if deadline ~= nil then self.ends = now() + deadline end
  local mirrors = txn:get_var("txn.mirrors")
  local headers = mirrors and txn.http:req_get_headers()
  self.targets = mirrors and not headers["upgrade"] and choose(txn, mirrors) or {}
  if #self.targets == 0 then
    if deadline == nil then filter.unregister_data_filter(self, message.channel) end
    return
  end
  self.tenant = mirrors:match("^%S+")
  for _, target in ipairs(self.targets) do
    local path = target.isOriginal and txn:get_var("txn.original") or txn.f:pathq()
    local host = target.host or txn.f:req_fhdr("host") or ""
    target.head = txn.f:method() .. " " .. path .. " HTTP/1.1\\r\\nhost: " .. host .. "\\r\\n"
  end
  local lines = {}
  for name, values in pairs(headers) do
    if not own[name] then
      for index = 0, #values do lines[#lines + 1] = name .. ": " .. values[index] end
    end
  end
  self.hasBody = headers["content-length"] ~= nil or headers["transfer-encoding"] ~= nil
  self.lines = lines
  self.parts = {}
  self.size = 0
end

function Exchange:http_headers(txn, message)
  if not message.channel:is_resp() then
    begin(self, txn, message)
  elseif self.ends ~= nil and txn.f:status() == 101 then
    filter.unregister_data_filter(self, txn.req)
    filter.unregister_data_filter(self, txn.res)
  end
end

function Exchange:http_payload(txn, message)
  if self.ends ~= nil and now() > self.ends then error("the exchange took longer than the limit of its route", 0) end
  if self.lines == nil or message.channel:is_resp() then return end
  local data = message:body()
  if data == nil then return end
  self.size = self.size + #data
  if self.size > ${mirrorLimits.body} then
    self.lines = nil
    self.parts = nil
  else
    self.parts[#self.parts + 1] = data
  end
end

local function send(server, text)
  local socket = core.tcp()
  socket:settimeout(${mirrorLimits.patience})
  local host, port = server:match("^(.*):(%d+)$")
  -- The answer is not read: its first line is enough to know that the request arrived.
  if socket:connect(host, tonumber(port)) and socket:send(text) then socket:receive("*l") end
  socket:close()
end

local function copy(server, tenant, text)
  local count = running[tenant] or 0
  if count >= ${mirrorLimits.tenant} or all >= ${mirrorLimits.all} then return end
  running[tenant] = count + 1
  all = all + 1
  core.register_task(function()
    pcall(send, server, text)
    all = all - 1
    local left = running[tenant] - 1
    running[tenant] = left > 0 and left or nil
  end)
end

function Exchange:http_end(txn, message)
  if self.lines == nil or message.channel:is_resp() then return end
  local lines = self.lines
  self.lines = nil
  lines[#lines + 1] = "connection: close\\r\\n"
  local rest = table.concat(lines, "\\r\\n")
  local length = (self.size > 0 or self.hasBody) and "content-length: " .. self.size .. "\\r\\n" or ""
  local whole = rest .. length .. "\\r\\n" .. table.concat(self.parts)
  for _, target in ipairs(self.targets) do
    copy(target.server, self.tenant, target.head .. (target.isBodiless and rest .. "\\r\\n" or whole))
  end
end

core.register_filter("exchange", Exchange, function(class)
  return class
end)
`;
