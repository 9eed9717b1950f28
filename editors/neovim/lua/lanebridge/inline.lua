-- Asking about lines where they stand: a prompt at the cursor, a mark while it works, the diff in place.
local ask = require('lanebridge.ask')
local client = require('lanebridge.client')
local state = require('lanebridge.state')

local api = vim.api
local space = api.nvim_create_namespace('lanebridge_inline')

local M = {}

local working = {} ---@type table<string, {buf: integer, mark: integer}> by turn

local function clear(turn)
  local one = working[turn]
  if one then
    working[turn] = nil
    if api.nvim_buf_is_valid(one.buf) then
      api.nvim_buf_del_extmark(one.buf, space, one.mark)
    end
  end
end

local function show(turn, buf, last)
  require('lanebridge.highlight').set()
  local row = math.min(last, api.nvim_buf_line_count(buf)) - 1
  local mark = api.nvim_buf_set_extmark(buf, space, row, 0, {
    virt_text = { { '  ◌ Lanebridge is at it · :Lanebridge stop', 'LanebridgeHint' } },
    virt_text_pos = 'eol',
  })
  working[turn] = { buf = buf, mark = mark }
end

---@param command string
---@param argument table
---@param buf integer
---@param last integer
local function run(command, argument, buf, last)
  client.command(command, argument, function(result)
    if not result or not result.turnId then
      return
    end
    ask.set_current(ask.folder(buf), result.threadId)
    require('lanebridge.chat').buffer(result.threadId, ask.folder(buf))
    local turn = state.threads[result.threadId].by_id[result.turnId]
    if not turn or turn.status == 'running' or turn.status == 'queued' then
      show(result.turnId, buf, last)
    end
  end)
end

local function argument(buf, first, last, prompt)
  return {
    prompt = prompt,
    uri = vim.uri_from_bufnr(buf),
    range = ask.line_range(buf, first, last),
    threadId = ask.current[ask.folder(buf)],
  }
end

--- :Lanebridge edit: what shall become of these lines.
---@param call lanebridge.Call
function M.edit(call)
  local buf = api.nvim_get_current_buf()
  if not client.is_file(buf) then
    return vim.notify('Lanebridge: there is no file in this window')
  end
  local first = call.first or api.nvim_win_get_cursor(0)[1]
  local last = call.last or first
  local function go(text)
    if text then
      run('edit', argument(buf, first, last, text), buf, last)
    end
  end
  if call.text ~= '' then
    return go(call.text)
  end
  require('lanebridge.float').input({
    title = first == last and ('Edit line %d'):format(first) or ('Edit lines %d to %d'):format(first, last),
    at_cursor = true,
    on_done = go,
  })
end

--- :Lanebridge explain: the answer comes in the chat.
---@param call lanebridge.Call
function M.explain(call)
  local buf = api.nvim_get_current_buf()
  local first = call.first or 1
  local last = call.last or api.nvim_buf_line_count(buf)
  client.command('explain', argument(buf, first, last, nil), function(result)
    if result and result.threadId then
      ask.set_current(ask.folder(buf), result.threadId)
      require('lanebridge.chat').show(result.threadId, ask.folder(buf), false)
    end
  end)
end

--- :Lanebridge fix: the diagnostics of these lines.
---@param call lanebridge.Call
function M.fix(call)
  local buf = api.nvim_get_current_buf()
  local row = api.nvim_win_get_cursor(0)[1]
  local first, last = call.first or row, call.last or row
  local found = {}
  local running = client.get()
  for _, diagnostic in ipairs(vim.diagnostic.get(buf)) do
    local line = diagnostic.lnum + 1
    if line >= first and line <= last then
      found[#found + 1] = {
        range = ask.line_range(buf, line, line),
        message = diagnostic.message,
        severity = diagnostic.severity,
        source = diagnostic.source,
      }
    end
  end
  if #found == 0 then
    return vim.notify('Lanebridge: no diagnostic here; :Lanebridge edit changes these lines all the same')
  end
  local wish = argument(buf, first, last, call.text ~= '' and call.text or nil)
  wish.diagnostics = found
  run('fix', wish, buf, last)
  return running
end

state.listen(function(event, _, turn)
  if event == 'completed' and turn then
    local one = working[turn.id]
    clear(turn.id)
    if one and turn.status == 'failed' then
      vim.notify('Lanebridge: ' .. (turn.error or 'it failed'), vim.log.levels.ERROR)
    elseif one and turn.status == 'completed' then
      local said
      for _, item in ipairs(turn.items) do
        said = item.type == 'agentMessage' and item.text or said
      end
      local edited = vim.iter(turn.items):any(function(item)
        return item.type == 'fileChange'
      end)
      if said and not edited then
        vim.notify('Lanebridge: ' .. require('lanebridge.util').clip(said, vim.o.columns - 20))
      end
    end
  end
end)

return M
