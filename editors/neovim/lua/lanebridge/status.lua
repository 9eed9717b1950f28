-- What goes on, in a few words: for statuslines, the chat's bar and the rule above its prompt.
local state = require('lanebridge.state')
local util = require('lanebridge.util')

local M = {}

local words = {
  connecting = 'connecting',
  waiting = 'waiting',
  thinking = 'thinking',
  streaming = 'answering',
  draining = 'stopping',
  rotating = 'changing sockets',
  offline = 'offline',
}

---@return integer
function M.questions()
  local approval = package.loaded['lanebridge.approval']
  return approval and approval.count() or 0
end

---@return integer
function M.pending()
  local hunks = package.loaded['lanebridge.hunks']
  return hunks and hunks.count() or 0
end

--- What a turn does at this moment.
---@param turn lanebridge.Turn
function M.activity(turn)
  local approval = package.loaded['lanebridge.approval']
  if approval and approval.holds(turn.id) then
    return 'asks you'
  end
  for i = #turn.items, 1, -1 do
    local item = turn.items[i]
    if not item.done and item.title then
      return util.clip(item.title, 30)
    end
  end
  local connection = state.connection
  return connection and words[connection.state] or 'working'
end

--- What goes on, in words: empty while there is nothing to say.
---@return string
local function parts_of_line()
  local parts = {}
  local questions, pending = M.questions(), M.pending()
  if questions > 0 then
    parts[#parts + 1] = util.count(questions, 'question')
  end
  local busy = state.busy()
  if busy then
    local seconds = math.floor((vim.uv.now() - (busy.running.began or vim.uv.now())) / 1000)
    parts[#parts + 1] = ('%s %d s'):format(M.activity(busy.running), seconds)
  elseif state.connection and state.connection.state == 'offline' then
    parts[#parts + 1] = 'offline'
  end
  if pending > 0 then
    parts[#parts + 1] = util.count(pending, 'hunk')
  end
  return table.concat(parts, ' · ')
end

--- How things are, for the menu.
---@return string
function M.words()
  if not state.running then
    return 'the server does not run'
  end
  local text = parts_of_line()
  local connection = state.connection and words[state.connection.state] or state.connection and state.connection.state
  return text ~= '' and text or connection or 'ready'
end

--- For a statusline.
---@return string
function M.line()
  local text = parts_of_line()
  if text == '' then
    return ''
  end
  return (M.questions() > 0 and '%#LanebridgeBadge#' or '') .. '⇌ ' .. text:gsub('%%', '%%%%') .. '%*'
end

--- Left and right end of the rule above the prompt.
---@param thread lanebridge.Thread
---@return string, string
function M.rule(thread)
  local turn = thread.running
  local waiting = 0
  for _, other in ipairs(thread.turns) do
    waiting = waiting + (other.status == 'queued' and 1 or 0)
  end
  local left = turn and ('── %s '):format(M.activity(turn)) or '──'
  if M.questions() > 0 then
    local key = require('lanebridge.keys').of('approve')
    left = ('── asks you: %s '):format(key and key .. ' in Normal mode' or ':Lanebridge approve')
  end
  if waiting > 0 then
    left = left .. ('· %d waiting '):format(waiting)
  end
  local right = turn and ' <C-s> tells it, <C-c> stops ' or ' <C-s> asks '
  return left, right
end

--- For the chat's winbar.
---@return string
function M.winbar()
  local win = vim.g.statusline_winid or vim.api.nvim_get_current_win()
  local id = vim.b[vim.api.nvim_win_get_buf(win)].lanebridge_thread
  local thread = id and state.threads[id]
  if not thread then
    return ''
  end
  local parts = { thread.model or '', thread.effort or '', thread.mode or '' }
  local connection = state.connection
  if not state.running then
    parts[#parts + 1] = 'server not running'
  elseif connection and connection.state ~= 'idle' then
    parts[#parts + 1] = connection.state .. (connection.transport == 'http' and ' by HTTP' or '')
  end
  local left = table.concat(
    vim.tbl_filter(function(part)
      return part ~= ''
    end, parts),
    ' · '
  )
  return ' ' .. left:gsub('%%', '%%%%') .. '%=' .. M.line() .. ' '
end

local timer ---@type uv.uv_timer_t?

--- Statuslines are drawn again when something changed, and each second while a turn runs.
function M.changed()
  vim.cmd('redrawstatus!')
  vim.api.nvim_exec_autocmds('User', { pattern = 'LanebridgeStatus', modeline = false })
  if state.busy() and not timer then
    timer = assert(vim.uv.new_timer())
    timer:start(
      1000,
      1000,
      vim.schedule_wrap(function()
        if not state.busy() and timer then
          timer:close()
          timer = nil
        end
        vim.cmd('redrawstatus!')
      end)
    )
  end
end

local events = { started = true, completed = true, connection = true, queue = true, server = true, item = true }
state.listen(function(event)
  if events[event] then
    M.changed()
  end
end)

return M
