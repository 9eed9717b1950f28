-- What the cases use: a real Neovim as a child, driven by its API as if by a person, the real server, and the
-- real endpoint that plays a recording. Everything lives in a folder of its own that is removed afterwards.
local M = {}

local uv = vim.uv

---@class Session
---@field dir string
---@field work string the folder that is open
---@field channel integer
local Session = {}
Session.__index = Session

local function write(path, text)
  vim.fn.mkdir(vim.fs.dirname(path), 'p')
  local file = assert(io.open(path, 'wb'))
  file:write(text)
  file:close()
end
M.write = write

function M.read(path)
  local file = io.open(path, 'rb')
  if not file then
    return nil
  end
  local text = file:read('*a')
  file:close()
  return text
end

--- The endpoint, and where it listens.
function Session:start_endpoint(steps, token)
  local lines = {}
  for _, step in ipairs(steps) do
    lines[#lines + 1] = vim.json.encode(step)
  end
  local replay = self.dir .. '/replay.jsonl'
  write(replay, table.concat(lines, '\n') .. '\n')
  local url
  local command = { M.lanebridge, 'endpoint', '--listen', '127.0.0.1:0', '--engine', 'replay:' .. replay }
  if token then
    write(self.dir .. '/token', token .. '\n')
    uv.fs_chmod(self.dir .. '/token', 384)
    vim.list_extend(command, { '--token-file', self.dir .. '/token' })
  end
  self.endpoint = vim.system(command, {
    env = self.env,
    stdout = function(_, data)
      url = url or (data and data:match('ws://%S+'))
    end,
    stderr = function() end,
  })
  assert(
    vim.wait(10000, function()
      return url ~= nil
    end, 5),
    'the endpoint does not say where it listens'
  )
  self.url = url
end

--- Starts it all. `files`: what is in the folder; `replay`: steps; `setup`: options of the plugin.
function M.session(wanted)
  local self = setmetatable({}, Session)
  self.dir = uv.fs_realpath(vim.fn.tempname():match('^(.*)/') or '/tmp') .. '/s' .. uv.hrtime()
  self.work = self.dir .. '/work'
  for _, name in ipairs({ 'work/.git', 'state', 'home', 'cache' }) do
    vim.fn.mkdir(self.dir .. '/' .. name, 'p', '0700')
  end
  for name, text in pairs(wanted.files or {}) do
    write(self.work .. '/' .. name, text)
  end
  self.env = {
    LANEBRIDGE_STATE = self.dir .. '/state',
    LANEBRIDGE_CONFIG = self.dir .. '/no-config.json',
    HOME = self.dir .. '/home',
    XDG_CACHE_HOME = self.dir .. '/cache',
    XDG_CONFIG_HOME = self.dir .. '/home/.config',
    XDG_DATA_HOME = self.dir .. '/home/.local/share',
    XDG_STATE_HOME = self.dir .. '/home/.local/state',
    OPENAI_API_KEY = wanted.key or 'none-needed',
    NVIM_LOG_FILE = self.dir .. '/nvim.log',
  }
  self:start_endpoint(wanted.replay or { M.says('Nothing was recorded for this.') }, wanted.token)
  self.options = vim.tbl_deep_extend('force', {
    cmd = { M.lanebridge, 'lsp' },
    trusted = true,
    dead_time = 60,
    settings = { endpoint = { url = self.url }, warm = 'never' },
  }, wanted.setup or {})
  self.wanted = wanted
  self:start_editor(wanted)
  return self
end

--- A second Neovim of the same person in the same folder.
function Session:another()
  local other = setmetatable({}, { __index = self })
  other.endpoint = nil
  other:start_editor(self.wanted)
  other.close = function(one)
    Session.end_editor(one)
  end
  return other
end

--- Writes down what goes between plugin and server, as tests/lint/schema and tests/lint/messages read it.
local record = [[
  local path, session, number = ...
  local function note(dir, body)
    body.jsonrpc = '2.0'
    local file = assert(io.open(path, 'a'))
    file:write(vim.json.encode({ dir = dir, session = session, pid = number, body = body }), '\n')
    file:close()
  end
  local function object(value)
    return (type(value) == 'table' and next(value) == nil) and vim.empty_dict() or value
  end
  local start, asked = vim.lsp.rpc.start, 0
  vim.lsp.rpc.start = function(cmd, dispatchers, more)
    local notification, server_request = dispatchers.notification, dispatchers.server_request
    dispatchers.notification = function(method, params)
      note('out', { method = method, params = params })
      return notification(method, params)
    end
    dispatchers.server_request = function(method, params)
      asked = asked + 1
      local id = 's' .. asked
      note('out', { id = id, method = method, params = params })
      local result, err = server_request(method, params)
      note('in', { id = id, result = not err and (result == nil and vim.NIL or result) or nil, error = err })
      return result, err
    end
    local rpc = start(cmd, dispatchers, more)
    local request, notify, sent = rpc.request, rpc.notify, 0
    rpc.request = function(method, params, callback, on_reply)
      sent = sent + 1
      local id = sent
      note('in', { id = id, method = method, params = params })
      return request(method, params, function(err, result, ...)
        note('out', { id = id, result = not err and (result == nil and vim.NIL or result) or nil, error = err })
        return callback(err, result, ...)
      end, on_reply)
    end
    rpc.notify = function(method, params)
      note('in', { method = method, params = params })
      return notify(method, params)
    end
    return rpc
  end
]]

function Session:start_editor(wanted)
  local clean = { M.nvim, '--clean', '--embed', '--headless', '-n', '--cmd', 'set rtp^=' .. M.plugin }
  local before = vim.fn.getcwd()
  vim.fn.chdir(self.work)
  self.channel = vim.fn.jobstart(clean, { rpc = true, env = self.env })
  vim.fn.chdir(before)
  assert(self.channel > 0, 'Neovim does not start')
  self:lua([[
    _G.messages = {}
    vim.notify = function(text, level) table.insert(_G.messages, { text = text, level = level }) end
    vim.o.columns, vim.o.lines = 120, 40
    vim.o.swapfile = false
  ]])
  if M.traffic then
    M.sessions = (M.sessions or 0) + 1
    self:lua(record, M.traffic, M.here .. '/run.lua', M.sessions)
  end
  if wanted.before then
    self:lua(wanted.before)
  end
  if wanted.setup ~= false then
    self:lua("require('lanebridge').setup(...)", self.options)
  end
  if wanted.open then
    self:edit(wanted.open)
  end
end

--- Runs Lua in the editor.
function Session:lua(code, ...)
  return vim.rpcrequest(self.channel, 'nvim_exec_lua', code, { ... })
end

function Session:cmd(text)
  return vim.rpcrequest(self.channel, 'nvim_command', text)
end

--- Presses keys, as a person does: what they start goes on by itself.
function Session:keys(keys)
  return vim.rpcrequest(self.channel, 'nvim_input', keys)
end

function Session:edit(path)
  self:cmd('edit ' .. vim.fn.fnameescape(self.work .. '/' .. path))
  self:wait('the server to have the file', "return #vim.lsp.get_clients({ name = 'lanebridge', bufnr = 0 }) > 0")
end

--- Lines of a file's buffer.
function Session:lines(path)
  return self:lua(
    [[
    local bufnr = vim.fn.bufnr(...)
    return bufnr > 0 and vim.api.nvim_buf_get_lines(bufnr, 0, -1, false) or {}
  ]],
    self.work .. '/' .. path
  )
end

--- Waits until Lua in the editor says something true; what it says is returned.
function Session:wait(what, code, ...)
  local deadline = uv.now() + M.patience
  local value
  while true do
    value = self:lua(code, ...)
    if value and value ~= vim.NIL then
      return value
    end
    uv.update_time()
    if uv.now() > deadline then
      error(('waited in vain for %s\n%s'):format(what, self:picture()), 2)
    end
    vim.wait(10)
  end
end

--- What there is to see, for a failure's message.
function Session:picture()
  local ok, text = pcall(
    self.lua,
    self,
    [[
    local out = { 'messages: ' .. vim.inspect(_G.messages), vim.fn.execute('messages') }
    for _, win in ipairs(vim.api.nvim_list_wins()) do
      local buf = vim.api.nvim_win_get_buf(win)
      table.insert(out, ('--- window %d, %s'):format(win, vim.api.nvim_buf_get_name(buf)))
      vim.list_extend(out, vim.api.nvim_buf_get_lines(buf, 0, 60, false))
    end
    return table.concat(vim.tbl_map(function(line) return line:sub(1, 160) end, out), '\n')
  ]]
  )
  return ok and text or ('the editor does not answer: ' .. tostring(text))
end

--- The chat's text, and waiting for some in it.
function Session:chat()
  return self:lua([[
    for buf in pairs((package.loaded['lanebridge.chat'] or { views = {} }).views) do
      return table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, false), '\n')
    end
    return ''
  ]])
end

function Session:wait_chat(text)
  return self:wait(
    'the chat to say: ' .. text,
    [[
    local wanted = ...
    for buf in pairs((package.loaded['lanebridge.chat'] or { views = {} }).views) do
      if table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, false), '\n'):find(wanted, 1, true) then
        return true
      end
    end
  ]],
    text
  )
end

--- Waits until a turn has ended, and how.
function Session:wait_turn(nth)
  return self:wait(
    'the turn to end',
    [[
    local nth = ...
    local ended = {}
    for _, thread in pairs(require('lanebridge.state').threads) do
      for _, turn in ipairs(thread.turns) do
        if turn.status ~= 'running' and turn.status ~= 'queued' then
          table.insert(ended, turn.status .. (turn.error and (': ' .. turn.error) or ''))
        end
      end
    end
    return ended[nth or 1]
  ]],
    nth or 1
  )
end

--- The chat, with the cursor in it.
function Session:open_chat()
  self:cmd('Lanebridge chat')
  self:wait('the chat', 'return vim.b.lanebridge_thread ~= nil')
end

function Session:wait_running()
  self:wait('the turn', "return require('lanebridge.state').busy() ~= nil")
end

--- Waits until the plugin has said something.
function Session:wait_said(text)
  self:wait(
    'it to say: ' .. text,
    [[
    local wanted = ...
    return vim.iter(_G.messages):any(function(one) return one.text:find(wanted, 1, true) ~= nil end)
  ]],
    text
  )
end

--- From now on who is to choose from a list takes the first line that has the text; _G.offered is the list.
function Session:choose(text)
  self:lua(
    [[
    local wanted = ...
    vim.ui.select = function(items, options, on_choice)
      _G.offered = vim.tbl_map(options.format_item or tostring, items)
      for i, line in ipairs(_G.offered) do
        if line:find(wanted, 1, true) then return on_choice(items[i], i) end
      end
      on_choice(nil, nil)
    end
  ]],
    text
  )
end

function Session:ask(text)
  self:cmd('Lanebridge ask ' .. text)
end

function Session:end_editor()
  pcall(vim.rpcnotify, self.channel, 'nvim_command', 'qall!')
  if vim.fn.jobwait({ self.channel }, 5000)[1] == -1 then
    vim.fn.jobstop(self.channel)
  end
end

function Session:close()
  if self.channel then
    self:end_editor()
  end
  if self.endpoint then
    self.endpoint:kill('sigterm')
    self.endpoint:wait(5000)
  end
  vim.fn.delete(self.dir, 'rf')
end

--- Assertions: what was wanted, what was got.
function M.equal(got, wanted, what)
  if not vim.deep_equal(got, wanted) then
    error(('%s\nwanted: %s\ngot:    %s'):format(what or 'not equal', vim.inspect(wanted), vim.inspect(got)), 2)
  end
end

function M.contains(text, part, what)
  if not (text or ''):find(part, 1, true) then
    error(('%s\nwanted in it: %s\ngot: %s'):format(what or 'not in it', part, text or 'nothing'), 2)
  end
end

--- Opens what is asked, once there is something.
---@param s Session
function M.open_question(s)
  s:wait('a question', "return #require('lanebridge.approval').list() == 1")
  s:cmd('Lanebridge approve')
  s:wait('the float', "return vim.api.nvim_win_get_config(0).relative ~= ''")
end

--- Until the dead time is over: no key is pressed for its length.
---@param ms? integer
function M.rest(ms)
  vim.wait(ms or 150)
end

M.program = 'int main(void)\n{\n    return 1;\n}\n'

--- In Lua for the editor: the chat as `view`.
M.of_chat = [[
  local view
  for _, one in pairs(require('lanebridge.chat').views) do view = one end
]]

-- Steps of a recording, in short.
function M.says(text, more)
  return vim.tbl_extend('force', { emit = { { type = 'message', text = text } } }, more or {})
end

function M.patches(label, text, more)
  return vim.tbl_extend('force', {
    emit = { { type = 'custom_tool_call', call = label, name = 'apply_patch', input = text } },
  }, more or {})
end

function M.runs(label, cmd, more)
  return vim.tbl_extend('force', {
    emit = {
      {
        type = 'function_call',
        call = label,
        name = 'exec_command',
        arguments = vim.tbl_extend('force', { cmd = cmd }, more or {}),
      },
    },
  }, {})
end

--- A patch of one file with one chunk.
function M.patch(path, old, new)
  local lines = { '*** Begin Patch', '*** Update File: ' .. path, '@@' }
  for _, line in ipairs(old) do
    lines[#lines + 1] = line
  end
  for _, line in ipairs(new or {}) do
    lines[#lines + 1] = line
  end
  lines[#lines + 1] = '*** End Patch'
  return table.concat(lines, '\n')
end

return M
