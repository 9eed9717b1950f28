-- What can be done with a conversation beyond asking: pick, continue, retry, fork, undo, and so on.
local ask = require('lanebridge.ask')
local client = require('lanebridge.client')
local state = require('lanebridge.state')
local util = require('lanebridge.util')

local M = {}

local function say(text)
  vim.notify('Lanebridge: ' .. text)
end

local function chat()
  return require('lanebridge.chat')
end

--- The thread that is meant: of the chat the cursor is in, else of the folder, else that heard of last.
---@param callback fun(thread: lanebridge.Thread, folder: string)
local function current(callback)
  local here = vim.b.lanebridge_thread
  local folder = ask.folder()
  if here then
    return callback(state.thread(here), folder)
  end
  ask.thread(folder, function(id)
    callback(state.thread(id), folder)
  end)
end
M.current = current

--- An answer that is a text, in a window of its own.
---@param name string
---@param lines string[]
---@param filetype string
function M.show_text(name, lines, filetype)
  vim.cmd('botright new')
  local buf = vim.api.nvim_get_current_buf()
  vim.bo[buf].buftype, vim.bo[buf].bufhidden, vim.bo[buf].swapfile = 'nofile', 'wipe', false
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, lines)
  pcall(vim.api.nvim_buf_set_name, buf, 'lanebridge://' .. name)
  vim.bo[buf].filetype = filetype
  vim.bo[buf].modifiable = false
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = buf, nowait = true })
  vim.api.nvim_win_set_height(0, math.min(#lines + 1, math.floor(vim.o.lines / 2)))
end

function M.new(text)
  local folder = ask.folder()
  ask.new_thread(folder, function(id)
    chat().show(id, folder, true)
    if text ~= '' then
      ask.ask(text, { thread = id })
    else
      vim.cmd('startinsert!')
    end
  end)
end

local function age(ms)
  local seconds = os.time() - math.floor((ms or 0) / 1000)
  if seconds < 90 then
    return 'now'
  elseif seconds < 5400 then
    return ('%d min ago'):format(math.floor(seconds / 60))
  elseif seconds < 129600 then
    return ('%d h ago'):format(math.floor(seconds / 3600))
  end
  return os.date('%Y-%m-%d', math.floor(ms / 1000))
end

--- One line of the picker.
function M.label(thread)
  local parts = { thread.title ~= '' and thread.title or 'New conversation', age(thread.updated) }
  if thread.canContinue then
    parts[#parts + 1] = 'was cut off'
  end
  if thread.leased then
    parts[#parts + 1] = 'open in another editor'
  end
  return table.concat(parts, ' · ')
end

--- :Lanebridge threads
---@param query string
function M.pick(query)
  local folder = ask.folder()
  client.request('lanebridge/thread/list', {
    folder = folder ~= '' and vim.uri_from_fname(folder) or nil,
    query = query ~= '' and query or nil,
  }, function(result)
    if #result.threads == 0 then
      return say('no conversation in this folder yet')
    end
    vim.ui.select(result.threads, { prompt = 'Conversation', format_item = M.label }, function(chosen)
      if chosen then
        M.open(chosen, folder)
      end
    end)
  end)
end

---@param told table
---@param folder string
function M.open(told, folder)
  state.merge_thread(told)
  local function show()
    ask.set_current(folder, told.id)
    chat().show(told.id, folder, true)
  end
  if not told.leased then
    return show()
  end
  vim.ui.select({ 'Read it only', 'Take it over from the other editor' }, {
    prompt = 'This conversation is open in another editor',
  }, function(_, choice)
    if choice == 2 then
      client.request('lanebridge/thread/takeOver', { threadId = told.id }, function(result)
        state.merge_thread(result.thread)
        show()
      end)
    elseif choice == 1 then
      show()
    end
  end)
end

--- Lets a turn that was cut off go on.
function M.continue()
  current(function(thread, folder)
    client.request('lanebridge/thread/resume', { threadId = thread.id, ['continue'] = true }, function(result)
      state.merge_thread(result.thread)
      chat().show(thread.id, folder, vim.b.lanebridge_thread ~= nil)
      state.tell('continue', thread)
      if not result.turn then
        say('nothing was cut off')
      end
    end)
  end)
end

---@return lanebridge.Turn?
local function ended_turn(thread)
  local here = vim.b.lanebridge_thread and chat().turn_here()
  if here and here.status ~= 'running' and here.status ~= 'queued' then
    return here
  end
  for i = #thread.turns, 1, -1 do
    local turn = thread.turns[i]
    if turn.status ~= 'running' and turn.status ~= 'queued' then
      return turn
    end
  end
end

--- Calls back with a thread whose history is here.
local function with_history(thread, callback)
  if #thread.turns > 0 then
    return callback()
  end
  client.request('lanebridge/thread/read', { threadId = thread.id }, function(result)
    state.merge_history(result)
    callback()
  end)
end

--- What was asked in a turn.
local function words_of(turn)
  for _, item in ipairs(turn.items) do
    if item.type == 'userMessage' and item.text then
      return item.text
    end
  end
  return turn.text
end

function M.retry()
  current(function(thread)
    with_history(thread, function()
      local turn = ended_turn(thread)
      if not turn then
        return say('there is nothing to ask again')
      end
      client.request('lanebridge/turn/retry', { threadId = thread.id, turnId = turn.id }, nil, function(message)
        if not message:find('unknown method', 1, true) and not message:find('not found', 1, true) then
          return vim.notify('Lanebridge: ' .. message, vim.log.levels.ERROR)
        end
        ask.start(thread.id, { { type = 'text', text = words_of(turn) } })
      end)
    end)
  end)
end

function M.fork()
  current(function(thread, folder)
    local turn = vim.b.lanebridge_thread and ended_turn(thread)
    client.request('lanebridge/thread/fork', {
      threadId = thread.id,
      turnId = turn and turn.id or nil,
    }, function(result)
      state.merge_thread(result.thread)
      ask.set_current(folder, result.thread.id)
      chat().show(result.thread.id, folder, true)
    end)
  end)
end

local outcomes = {
  done = 'as before',
  conflict = 'not: you changed the same lines',
  notUndoable = 'cannot be undone',
  keptUserChanges = 'as before, with your later changes',
}

---@param verb 'undo'|'redo'
function M.undo(verb)
  current(function(thread)
    local turn = vim.b.lanebridge_thread and ended_turn(thread)
    client.request('lanebridge/turn/' .. verb, {
      threadId = thread.id,
      turnId = turn and turn.id or nil,
    }, function(result)
      local lines = {}
      for _, file in ipairs(result.files) do
        local text = file.text and file.text ~= '' and file.text or outcomes[file.outcome] or file.outcome
        lines[#lines + 1] = ('%s: %s'):format(file.path, text)
      end
      require('lanebridge.hunks').read(thread.id)
      require('lanebridge.edit').reload()
      say(#lines == 0 and ('nothing to ' .. verb) or (verb .. 'ne: ' .. table.concat(lines, '; ')))
    end)
  end)
end

---@param text string
function M.rename(text)
  current(function(thread)
    local function rename(title)
      if title and title ~= '' then
        client.request('lanebridge/thread/rename', { threadId = thread.id, title = title }, function()
          thread.title = title
          state.tell('thread', thread)
        end)
      end
    end
    if text ~= '' then
      return rename(text)
    end
    vim.ui.input({ prompt = 'Title: ', default = thread.title }, rename)
  end)
end

local function leave(thread, folder)
  ask.current[folder] = nil
  local one = chat().view_of(thread.id)
  if one then
    vim.api.nvim_buf_delete(one.buf, { force = true })
  end
  state.threads[thread.id] = nil
end

function M.archive()
  current(function(thread, folder)
    client.request('lanebridge/thread/archive', { threadId = thread.id }, function()
      leave(thread, folder)
      say('archived')
    end)
  end)
end

function M.delete()
  current(function(thread, folder)
    vim.ui.select({ 'Keep it', 'Delete it for good' }, {
      prompt = ('Delete "%s"?'):format(util.clip(thread.title, 60)),
    }, function(_, choice)
      if choice == 2 then
        client.request('lanebridge/thread/delete', { threadId = thread.id }, function()
          leave(thread, folder)
          say('deleted')
        end)
      end
    end)
  end)
end

---@param format string
function M.export(format)
  format = format ~= '' and format or 'markdown'
  current(function(thread)
    client.request('lanebridge/thread/export', { threadId = thread.id, format = format }, function(result)
      M.show_text('export/' .. thread.id, vim.split(result.text, '\n'), format == 'json' and 'json' or 'markdown')
    end)
  end)
end

function M.compact()
  current(function(thread)
    client.request('lanebridge/thread/compact', { threadId = thread.id })
  end)
end

---@param name 'mode'|'model'|'effort'
---@param value string
function M.set(name, value)
  if value == '' then
    return current(function(thread)
      say(('%s: %s'):format(name, thread[name] or 'as in the settings'))
    end)
  end
  current(function(thread)
    client.request('lanebridge/thread/set', { threadId = thread.id, [name] = value }, function(result)
      state.merge_thread(result.thread)
      state.tell('thread', thread)
      say(('%s: %s, from the next turn on'):format(name, value))
    end)
  end)
end

---@param text string
function M.steer(text)
  local thread = state.busy()
  if not thread then
    return say('nothing runs; :Lanebridge ask starts a turn')
  end
  if text == '' then
    return require('lanebridge.float').input({
      title = 'Tell the turn that runs',
      on_done = function(words)
        if words then
          M.steer(words)
        end
      end,
    })
  end
  ask.steer(thread, { { type = 'text', text = text } })
end

--- :Lanebridge queue: with words, asks when what runs has ended; without, shows what waits.
---@param text string
function M.queue(text)
  if text ~= '' then
    return ask.ask(text, { queue = true })
  end
  current(function(thread)
    client.request('lanebridge/turn/queue', { threadId = thread.id }, function(result)
      if #result.turns == 0 then
        return say('nothing waits')
      end
      vim.ui.select(result.turns, {
        prompt = 'Take back',
        format_item = function(turn)
          return turn.text
        end,
      }, function(chosen)
        if chosen then
          M.unqueue(thread, chosen)
        end
      end)
    end)
  end)
end

--- Takes a prompt that waits back into the chat.
---@param thread lanebridge.Thread
---@param waiting table
function M.unqueue(thread, waiting)
  client.request('lanebridge/turn/unqueue', { threadId = thread.id, turnId = waiting.turnId }, function(result)
    local one = chat().show(thread.id, ask.folder(), true)
    local words = {}
    for _, input in ipairs(result.input) do
      words[#words + 1] = input.text
    end
    one:set_prompt(table.concat(words, '\n'))
  end)
end

---@param text string
function M.review(text)
  client.command('review', { target = text ~= '' and text or 'changes' }, function(result)
    if result and result.threadId then
      chat().show(result.threadId, ask.folder(), false)
    end
  end)
end

--- A commit message, put where the cursor is in a commit's buffer, else shown.
function M.commit_message()
  local buf = vim.api.nvim_get_current_buf()
  client.request('lanebridge/commit/message', {}, function(result)
    local lines = vim.split(result.message, '\n')
    if vim.api.nvim_buf_is_valid(buf) and vim.bo[buf].filetype == 'gitcommit' then
      return vim.api.nvim_buf_set_lines(buf, 0, 0, false, lines)
    end
    M.show_text('commit', lines, 'gitcommit')
  end, function()
    client.command('commitMessage', nil, function(result)
      if result and result.threadId then
        chat().show(result.threadId, ask.folder(), false)
      end
    end)
  end)
end

--- What went to the model in the last turn.
function M.sent()
  client.request('lanebridge/log/sent', { turnId = '' }, function(result)
    local lines = {}
    for _, request in ipairs(result.requests) do
      lines[#lines + 1] = ('## %s to %s, %s bytes%s'):format(
        request.kind or 'request',
        request.host ~= '' and request.host or 'the endpoint',
        util.short(request.bytes),
        request.continued and ', only what was new' or ''
      )
      for _, part in ipairs(request.parts) do
        lines[#lines + 1] = ('- %s%s%s, %s bytes%s'):format(
          part.label,
          part.path and (' ' .. part.path) or '',
          part.lines and (':' .. part.lines) or '',
          util.short(part.bytes),
          (part.redactions or 0) > 0 and (', %s taken out'):format(util.count(part.redactions, 'secret')) or ''
        )
      end
      lines[#lines + 1] = ''
    end
    M.show_text('sent', #lines > 0 and lines or { 'Nothing has been sent yet.' }, 'markdown')
  end)
end

--- What a prompt would send.
---@param text string
function M.preview(text)
  current(function(thread, folder)
    local input = { { type = 'text', text = text } }
    vim.list_extend(input, require('lanebridge.mention').inputs(text, folder, vim.api.nvim_get_current_buf()))
    client.request('lanebridge/context/preview', { threadId = thread.id, input = input }, function(result)
      local lines = { ('# %s tokens'):format(util.short(result.tokens)), '' }
      for _, part in ipairs(result.parts) do
        lines[#lines + 1] = ('- [%s] %s, %s tokens: %s'):format(
          part.included and 'x' or ' ',
          part.label,
          util.short(part.tokens),
          part.why
        )
      end
      M.show_text('preview', lines, 'markdown')
    end)
  end)
end

function M.status()
  client.request('lanebridge/status/get', {}, function(status)
    local connection = status.connection
    local lines = {
      ('Lanebridge %s'):format(status.version),
      ('model      %s'):format(status.model),
      ('endpoint   %s'):format(status.endpoint),
      ('connection %s%s'):format(connection.state, connection.detail ~= '' and (': ' .. connection.detail) or ''),
      ('sandbox    %s'):format(status.sandbox),
      ('folders    %s'):format(#status.folders > 0 and table.concat(status.folders, ', ') or 'none'),
    }
    if status.notice then
      lines[#lines + 1] = 'notice     ' .. status.notice
    end
    for _, server in ipairs(status.mcp) do
      lines[#lines + 1] = ('mcp        %s: %s, %s'):format(server.name, server.state, util.count(server.tools, 'tool'))
    end
    M.show_text('status', lines, '')
  end)
end

--- Rules that are in force; one that is chosen is taken back.
function M.rules()
  client.request('lanebridge/rules/list', {}, function(result)
    if #result.rules == 0 then
      return say('no rule is in force')
    end
    vim.ui.select(result.rules, {
      prompt = 'Take back',
      format_item = function(rule)
        return ('%s: %s'):format(rule.scope, rule.text)
      end,
    }, function(rule)
      if rule then
        client.request('lanebridge/rules/delete', { id = rule.id }, function()
          say('taken back: ' .. rule.text)
        end)
      end
    end)
  end)
end

---@param trusted boolean
function M.trust(trusted)
  local folder = ask.folder()
  if folder == '' then
    return say('there is no folder here')
  end
  client.request('lanebridge/workspace/trust', { uri = vim.uri_from_fname(folder), trusted = trusted }, function()
    say((trusted and 'trusted: ' or 'not trusted: ') .. folder)
  end)
end

--- The model's plan is good: it goes on in another mode.
---@param mode string
function M.accept_plan(mode)
  current(function(thread)
    with_history(thread, function()
      local turn = ended_turn(thread)
      client.request('lanebridge/plan/accept', {
        threadId = thread.id,
        turnId = turn and turn.id or '',
        mode = mode ~= '' and mode or nil,
      })
    end)
  end)
end

return M
