-- Conversations as such: which there are, a new one, a copy, another title, away with it.
local ask = require('lanebridge.ask')
local client = require('lanebridge.client')
local state = require('lanebridge.state')
local thread = require('lanebridge.thread')
local util = require('lanebridge.util')

local M = {}

local say, current = thread.say, thread.current

local function chat()
  return require('lanebridge.chat')
end

---@param call lanebridge.Call
function M.new(call)
  local folder = ask.folder()
  ask.new_thread(folder, function(id)
    chat().show(id, folder, true)
    if call.text ~= '' then
      ask.ask(call.text, { thread = id })
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
local function label(told)
  if told.more then
    return 'Older ones …'
  end
  local parts = { told.title ~= '' and told.title or 'New conversation', age(told.updated) }
  if told.canContinue then
    parts[#parts + 1] = 'was cut off'
  end
  if told.leased then
    parts[#parts + 1] = 'open in another editor'
  end
  if told.archived then
    parts[#parts + 1] = 'archived'
  end
  return table.concat(parts, ' · ')
end

---@param told table of a list
---@param folder string
local function open(told, folder)
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
        say('the conversation is yours now; the other editor can read it')
      end)
    elseif choice == 1 then
      show()
    end
  end)
end

---@param wanted table params of thread/list
---@param folder string
local function pick(wanted, folder)
  client.request('lanebridge/thread/list', wanted, function(result)
    local list = result.threads
    if #list == 0 then
      return say(wanted.query and ('nothing is found for "%s"'):format(wanted.query) or 'no conversation here yet')
    end
    if result.nextCursor then
      list[#list + 1] = { more = true }
    end
    vim.ui.select(list, { prompt = 'Conversation', format_item = label }, function(chosen)
      if chosen and chosen.more then
        wanted.cursor = result.nextCursor
        pick(wanted, folder)
      elseif chosen then
        open(chosen, folder)
      end
    end)
  end)
end

--- :Lanebridge threads; with words those that have them in a title or a prompt, with ! the archived ones too.
---@param call lanebridge.Call
function M.pick(call)
  local folder = ask.folder()
  pick({
    folder = folder ~= '' and vim.uri_from_fname(folder) or nil,
    query = call.text ~= '' and call.text or nil,
    archived = call.bang or nil,
  }, folder)
end

--- A copy up to the turn at the cursor.
function M.fork()
  thread.turn('there is nothing to fork', function(from, turn, folder)
    client.request('lanebridge/thread/fork', {
      threadId = from.id,
      turnId = vim.b.lanebridge_thread and turn.id or nil,
    }, function(result)
      state.merge_thread(result.thread)
      ask.set_current(folder, result.thread.id)
      chat().show(result.thread.id, folder, true)
      say('this is the copy; the conversation it was made from is left as it was')
    end)
  end)
end

---@param call lanebridge.Call
function M.rename(call)
  current(function(one)
    local function rename(title)
      if title and title ~= '' then
        client.request('lanebridge/thread/rename', { threadId = one.id, title = title }, function()
          one.title = title
          state.tell('thread', one)
        end)
      end
    end
    if call.text ~= '' then
      return rename(call.text)
    end
    vim.ui.input({ prompt = 'Title: ', default = one.title }, rename)
  end)
end

local function leave(one, folder)
  ask.current[folder] = nil
  local view = chat().view_of(one.id)
  if view then
    vim.api.nvim_buf_delete(view.buf, { force = true })
  end
  state.threads[one.id] = nil
end

--- :Lanebridge archive; `no` takes it back out.
---@param call lanebridge.Call
function M.archive(call)
  local back = call.text == 'no'
  current(function(one, folder)
    client.request('lanebridge/thread/archive', { threadId = one.id, archived = not back }, function()
      if back then
        one.archived = nil
        return say('it is among the others again')
      end
      leave(one, folder)
      say('archived; :Lanebridge! threads shows it')
    end)
  end)
end

function M.delete()
  current(function(one, folder)
    vim.ui.select({ 'Keep it', 'Delete it for good' }, {
      prompt = ('Delete "%s"?'):format(util.clip(one.title, 60)),
    }, function(_, choice)
      if choice == 2 then
        client.request('lanebridge/thread/delete', { threadId = one.id }, function()
          leave(one, folder)
          say('deleted')
        end)
      end
    end)
  end)
end

---@param call lanebridge.Call
function M.export(call)
  local format = call.text ~= '' and call.text or 'markdown'
  current(function(one)
    client.request('lanebridge/thread/export', { threadId = one.id, format = format }, function(result)
      local filetype = format == 'json' and 'json' or 'markdown'
      thread.show_text('export/' .. one.id, vim.split(result.text, '\n'), filetype)
      say(':w NAME writes it to a file')
    end)
  end)
end

function M.compact()
  current(function(one)
    client.request('lanebridge/thread/compact', { threadId = one.id })
  end)
end

return M
