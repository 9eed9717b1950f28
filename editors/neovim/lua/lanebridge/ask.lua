-- Asking: which thread, what goes along, and what to do with a prompt while a turn runs.
local client = require('lanebridge.client')
local state = require('lanebridge.state')

local M = {
  current = {}, ---@type table<string, string> folder → thread
}

---@param bufnr? integer
---@return string folder as a path; empty: there is none
function M.folder(bufnr)
  bufnr = (bufnr == nil or bufnr == 0) and vim.api.nvim_get_current_buf() or bufnr
  local of_chat = vim.b[bufnr].lanebridge_folder
  if of_chat then
    return of_chat
  end
  return client.root(bufnr) or ''
end

local function folder_uri(folder)
  return folder ~= '' and vim.uri_from_fname(folder) or nil
end

---@param folder string
---@param id string
function M.set_current(folder, id)
  M.current[folder] = id
  state.last = id
  state.tell('current', state.thread(id))
end

--- A new thread of the folder.
---@param folder string
---@param callback fun(id: string)
function M.new_thread(folder, callback)
  client.request('lanebridge/thread/start', { folder = folder_uri(folder) }, function(result)
    local thread = state.merge_thread(result.thread)
    thread.loaded = true
    M.set_current(folder, thread.id)
    callback(thread.id)
  end)
end

--- The thread of the folder: the one in use here, else the one used last, else a new one.
---@param folder string
---@param callback fun(id: string)
function M.thread(folder, callback)
  if M.current[folder] then
    return callback(M.current[folder])
  end
  client.request('lanebridge/thread/list', { folder = folder_uri(folder) }, function(result)
    local last = result.threads[1]
    if not last or last.leased then
      return M.new_thread(folder, callback)
    end
    state.merge_thread(last)
    M.set_current(folder, last.id)
    callback(last.id)
  end)
end

---@param bufnr integer
---@param first integer line, from 1
---@param last integer
---@return table range of whole lines
function M.line_range(bufnr, first, last)
  local count = vim.api.nvim_buf_line_count(bufnr)
  if last < count then
    return { start = { line = first - 1, character = 0 }, ['end'] = { line = last, character = 0 } }
  end
  local text = vim.api.nvim_buf_get_lines(bufnr, last - 1, last, false)[1] or ''
  local running = client.get()
  local encoding = running and running.offset_encoding or 'utf-16'
  local length = encoding == 'utf-8' and #text or require('lanebridge.util').units(text, encoding)
  return { start = { line = first - 1, character = 0 }, ['end'] = { line = last - 1, character = length } }
end

---@param bufnr integer
---@param first integer
---@param last integer
function M.selection(bufnr, first, last)
  return {
    type = 'selection',
    uri = vim.uri_from_bufnr(bufnr),
    range = M.line_range(bufnr, first, last),
    text = table.concat(vim.api.nvim_buf_get_lines(bufnr, first - 1, last, false), '\n') .. '\n',
  }
end

--- Starts a turn.
---@param thread string
---@param input table[]
---@param callback? fun(result: table)
---@param on_error? fun(message: string)
function M.start(thread, input, callback, on_error)
  client.request('lanebridge/turn/start', { threadId = thread, input = input }, function(result)
    if result.threadId then
      local mine = state.thread(result.threadId)
      if result.queued then
        local turn = state.turn(mine, result.turn.id)
        turn.status = 'queued'
        turn.text = input[1] and input[1].text or ''
        state.tell('queue', mine)
      end
    end
    if callback then
      callback(result)
    end
  end, on_error)
end

--- Asks in the folder's thread. While a turn runs there, the words go to it; with `queue` they wait.
---@param text string
---@param options? {bufnr?: integer, first?: integer, last?: integer, queue?: boolean, thread?: string}
---@param callback? fun(result: table)
function M.ask(text, options, callback)
  options = options or {}
  local bufnr = options.bufnr or vim.api.nvim_get_current_buf()
  local folder = M.folder(bufnr)
  local input = { { type = 'text', text = text } }
  vim.list_extend(input, require('lanebridge.mention').inputs(text, folder, bufnr))
  if options.first then
    input[#input + 1] = M.selection(bufnr, options.first, options.last)
  end
  local function go(id)
    local thread = state.thread(id)
    if thread.running and not options.queue then
      return M.steer(thread, input)
    end
    M.start(id, input, callback)
  end
  if options.thread then
    return go(options.thread)
  end
  M.thread(folder, go)
end

--- Adds to the turn that runs. If it has just ended, a turn is started instead.
---@param thread lanebridge.Thread
---@param input table[]
function M.steer(thread, input)
  local turn = assert(thread.running)
  client.request('lanebridge/turn/steer', {
    threadId = thread.id,
    expectedTurnId = turn.id,
    input = input,
  }, function()
    state.tell('steered', thread, turn, nil, input[1].text)
  end, function()
    M.start(thread.id, input)
  end)
end

---@param thread? lanebridge.Thread
function M.stop(thread)
  thread = thread or state.busy()
  if not thread then
    return vim.notify('Lanebridge: nothing runs')
  end
  client.request('lanebridge/turn/interrupt', { threadId = thread.id })
end

return M
