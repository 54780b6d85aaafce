/** File of the script, relative to the folder of a generation. */
export const exchangeFile = 'lua/exchange.lua';

/** Limits of mirrors. */
export const mirrorLimits = {
  /** Longest mirrored body in bytes: requests with longer ones are not mirrored. */
  body: 16_384,
  /** Copies being recorded or sent, in each thread of HAProxy: of one tenant, and the number that all tenants share. */
  tenant: 32,
  all: 256,
  /** Milliseconds that a mirror may take until it begins its answer. */
  patience: 3000,
  /** Milliseconds that a client may take for a request with a body to be mirrored. */
  recording: 10_000,
};

/**
 * The filter of sections that mirror requests or limit the duration of exchanges. Only these sections call Lua. Each
 * thread has a state of its own, so that none waits for another.
 *
 * - `txn.deadline`: milliseconds after which an exchange ends at its next byte. Silence is limited by HAProxy's timeout.
 *   An error is the only way of a Lua filter to end a response that has begun; HAProxy prints it.
 * - `txn.mirrors`: `TENANT NUMERATOR/DENOMINATOR;OPTION=SERVER,SERVER …`, servers that get copies of requests as they go
 *   to the server. Options are another host (`host:NAME`), `bodiless`, and `original`: path and query in
 *   `txn.original`. The copy is sent by a task of its own after the request has been forwarded, so a mirror neither
 *   delays nor fails a request. Beyond the limits there is no copy. A copy has a slot from the headers of the request
 *   until the mirror answers. Tenants have equal shares of the slots while they use them, and each has at least one, so
 *   that slow mirrors stop only those of their tenant.
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

-- Slots by tenant, and the number of tenants with slots.
local used = {}
local tenants = 0
-- Slots with their deadlines. A task checks them while there are any.
local slots = {}
local hasJanitor = false
local turns = {}

-- Returns a slot for one copy, or nil if the tenant uses its share.
local function reserve(tenant, exchange)
  local count = used[tenant]
  if count == nil then
    count = 0
    tenants = tenants + 1
  end
  local share = math.max(1, ${mirrorLimits.all} // tenants)
  if count >= math.min(${mirrorLimits.tenant}, share) then return nil end
  used[tenant] = count + 1
  local slot = { tenant = tenant, exchange = exchange, ends = now() + ${mirrorLimits.recording} }
  slots[slot] = true
  return slot
end

local function release(slot)
  if slots[slot] == nil then return end
  slots[slot] = nil
  local left = used[slot.tenant] - 1
  used[slot.tenant] = left > 0 and left or nil
  if left == 0 then tenants = tenants - 1 end
end

-- Forgets what was recorded for copies.
local function drop(exchange)
  for _, slot in ipairs(exchange.slots or {}) do release(slot) end
  exchange.slots = nil
  exchange.lines = nil
  exchange.parts = nil
end

-- Ends copies that take too long. The timeouts of sockets measure silence only.
local function clean()
  while next(slots) ~= nil do
    core.msleep(100)
    local time = now()
    local late = {}
    for slot in pairs(slots) do
      if time > slot.ends then late[#late + 1] = slot end
    end
    for _, slot in ipairs(late) do
      if slot.socket ~= nil then pcall(slot.socket.close, slot.socket) end
      if slot.exchange ~= nil then drop(slot.exchange) end
      release(slot)
    end
  end
  hasJanitor = false
end

local function startJanitor()
  if hasJanitor then return end
  hasJanitor = true
  core.register_task(clean)
end

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

-- Begins to record a request for its mirrors.
local function record(self, txn, mirrors)
  local headers = txn.http:req_get_headers()
  local method = txn.f:method()
  if headers["upgrade"] or method == "CONNECT" then return end
  local tenant = mirrors:match("^%S+")
  self.slots = {}
  for _, target in ipairs(choose(txn, mirrors)) do
    local slot = reserve(tenant, self)
    if slot == nil then break end
    for name, value in pairs(target) do slot[name] = value end
    self.slots[#self.slots + 1] = slot
  end
  if #self.slots == 0 then return end
  startJanitor()
  for _, slot in ipairs(self.slots) do
    local path = slot.isOriginal and txn:get_var("txn.original") or txn.f:pathq()
    -- "OPTIONS *" has no path.
    if path == nil or path == "" then path = "*" end
    local host = slot.host or txn.f:req_fhdr("host") or ""
    slot.head = method .. " " .. path .. " HTTP/1.1\\r\\nhost: " .. host .. "\\r\\n"
  end
  local lines = {}
  for name, values in pairs(headers) do
    if not own[name] then
      for index = 0, #values do lines[#lines + 1] = name .. ": " .. values[index] end
    end
  end
  self.hasBody = headers["content-length"] ~= nil or headers["transfer-encoding"] ~= nil
  self.parts = {}
  self.size = 0
  self.lines = lines
end

-- Reads what the request asks for. A filter of data costs time, and keeps upgraded connections from being tunnels.
local function begin(self, txn, message)
  local deadline = txn:get_var("txn.deadline")
  if deadline ~= nil then self.ends = now() + deadline end
  local mirrors = txn:get_var("txn.mirrors")
  -- An error here would fail the request.
  if mirrors and not pcall(record, self, txn, mirrors) then drop(self) end
  if self.lines == nil and deadline == nil then filter.unregister_data_filter(self, message.channel) end
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
  if self.size > ${mirrorLimits.body} then drop(self) else self.parts[#self.parts + 1] = data end
end

local function send(slot, text)
  local socket = slot.socket
  local host, port = slot.server:match("^(.*):(%d+)$")
  -- The answer is not read: its first byte is enough to know that the request arrived.
  if socket:connect(host, tonumber(port)) and socket:send(text) then socket:receive(1) end
end

local function copy(slot, text)
  slot.exchange = nil
  slot.ends = now() + ${mirrorLimits.patience}
  core.register_task(function()
    slot.socket = core.tcp()
    -- Seconds. The janitor comes first.
    slot.socket:settimeout(${Math.ceil((2 * mirrorLimits.patience) / 1000)})
    pcall(send, slot, text)
    pcall(slot.socket.close, slot.socket)
    release(slot)
  end)
end

function Exchange:http_end(txn, message)
  if self.lines == nil or message.channel:is_resp() then return end
  local lines = self.lines
  lines[#lines + 1] = "connection: close\\r\\n"
  local rest = table.concat(lines, "\\r\\n")
  local length = (self.size > 0 or self.hasBody) and "content-length: " .. self.size .. "\\r\\n" or ""
  local whole = rest .. length .. "\\r\\n" .. table.concat(self.parts)
  local slots = self.slots
  self.slots = nil
  for _, slot in ipairs(slots) do copy(slot, slot.head .. (slot.isBodiless and rest .. "\\r\\n" or whole)) end
  drop(self)
end

-- The client may have left before its request was complete.
function Exchange:end_analyze(txn, channel)
  if self.slots ~= nil and not channel:is_resp() then drop(self) end
end

core.register_filter("exchange", Exchange, function(class)
  return class
end)
`;
