-- Which conversation, and which of its turns, a command means. What is done with them: threads.lua, turns.lua.
local ask = require('lanebridge.ask')
local client = require('lanebridge.client')
local state = require('lanebridge.state')

local M = {}

function M.say(text)
  vim.notify('Lanebridge: ' .. text)
end

--- The thread that is meant: of the chat the cursor is in, else of the folder, else that heard of last.
---@param callback fun(thread: lanebridge.Thread, folder: string)
function M.current(callback)
  local here = vim.b.lanebridge_thread
  local folder = ask.folder()
  if here then
    return callback(state.thread(here), folder)
  end
  ask.thread(folder, function(id)
    callback(state.thread(id), folder)
  end)
end

--- Calls back with a thread whose history is here.
---@param thread lanebridge.Thread
---@param callback fun()
local function with_history(thread, callback)
  if #thread.turns > 0 then
    return callback()
  end
  client.request('lanebridge/thread/read', { threadId = thread.id }, function(result)
    state.merge_history(result)
    callback()
  end)
end

---@param turn lanebridge.Turn
local function has_ended(turn)
  return turn.status ~= 'running' and turn.status ~= 'queued'
end

--- The turn at the cursor, else the last that has ended.
---@param thread lanebridge.Thread
---@return lanebridge.Turn?
local function ended_turn(thread)
  local here = vim.b.lanebridge_thread and require('lanebridge.chat').turn_here()
  if here and has_ended(here) then
    return here
  end
  for i = #thread.turns, 1, -1 do
    if has_ended(thread.turns[i]) then
      return thread.turns[i]
    end
  end
end

--- The turn at the cursor in a chat, else the last one of the thread that is meant.
---@param what string for the person: what cannot be done without one
---@param callback fun(thread: lanebridge.Thread, turn: lanebridge.Turn, folder: string)
function M.turn(what, callback)
  M.current(function(thread, folder)
    with_history(thread, function()
      local turn = ended_turn(thread)
      if not turn then
        return M.say(('no turn of this conversation has ended yet: %s'):format(what))
      end
      callback(thread, turn, folder)
    end)
  end)
end

--- Shows what a request has started, once it has an id.
---@param result table
---@param folder string
function M.show_started(result, folder)
  if result and result.threadId then
    ask.set_current(folder, result.threadId)
    require('lanebridge.chat').show(result.threadId, folder, false)
  end
end

--- An answer that is a text, in a window of its own.
---@param name string
---@param lines string[]
---@param filetype string
---@return integer buf
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
  return buf
end

--- Lines to be worked over in a window of their own: writing it hands them on.
---@param wanted {name: string, lines: string[], filetype: string, on_write: fun(lines: string[], close: fun())}
function M.edit_text(wanted)
  vim.cmd('botright new')
  local buf = vim.api.nvim_get_current_buf()
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, wanted.lines)
  vim.bo[buf].buftype, vim.bo[buf].bufhidden, vim.bo[buf].swapfile = 'acwrite', 'wipe', false
  vim.bo[buf].filetype = wanted.filetype
  vim.api.nvim_buf_set_name(buf, 'lanebridge://' .. wanted.name)
  vim.bo[buf].modified = false
  vim.api.nvim_win_set_height(0, math.min(math.max(#wanted.lines + 1, 5), math.floor(vim.o.lines / 2)))
  vim.wo.winbar = ' :w takes it so, :q! leaves it'
  vim.api.nvim_create_autocmd('BufWriteCmd', {
    buffer = buf,
    callback = function()
      wanted.on_write(vim.api.nvim_buf_get_lines(buf, 0, -1, false), function()
        if vim.api.nvim_buf_is_valid(buf) then
          vim.api.nvim_buf_delete(buf, { force = true })
        end
      end)
    end,
  })
end

return M
