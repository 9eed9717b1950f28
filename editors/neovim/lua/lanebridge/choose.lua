-- What is chosen from a list: mode, model and effort of the conversation, and what can be done now.
local client = require('lanebridge.client')
local state = require('lanebridge.state')
local thread = require('lanebridge.thread')

local M = {
  known_models = {}, ---@type string[] of the last list, for completion
}

local say = thread.say

---@class lanebridge.Option
---@field value string empty: as in the settings
---@field about string

local AS_SET = { value = '', about = 'as in the settings' }

local modes = {
  AS_SET,
  { value = 'plan', about = 'looks and plans; changes and runs nothing' },
  { value = 'ask', about = 'leaves the sandbox only when you allow it' },
  { value = 'auto', about = 'your rules decide' },
}

local efforts = {
  AS_SET,
  { value = 'minimal', about = 'quickest' },
  { value = 'low', about = '' },
  { value = 'medium', about = '' },
  { value = 'high', about = 'thinks longest' },
}

---@param one lanebridge.Thread
---@param name 'mode'|'model'|'effort'
---@param value string
local function set(one, name, value)
  client.request('lanebridge/thread/set', { threadId = one.id, [name] = value }, function(result)
    state.merge_thread(result.thread)
    state.tell('thread', one)
    say(('%s: %s, from the next turn on'):format(name, value ~= '' and value or 'as in the settings'))
  end)
end

---@param one lanebridge.Thread
---@param name 'mode'|'model'|'effort'
---@param options lanebridge.Option[]
local function pick(one, name, options)
  vim.ui.select(options, {
    prompt = ('The %s of this conversation'):format(name),
    format_item = function(option)
      local about = option.value == one[name] and 'in use' or option.about
      return option.value == '' and about or (about == '' and option.value or option.value .. ' · ' .. about)
    end,
  }, function(chosen)
    if chosen then
      set(one, name, chosen.value)
    end
  end)
end

---@param callback fun(options: lanebridge.Option[])
local function list_models(callback)
  client.request('lanebridge/model/list', {}, function(result)
    local options = { AS_SET }
    M.known_models = {}
    for _, model in ipairs(result.models) do
      options[#options + 1] = { value = model.id, about = model.isDefault and 'of the settings' or '' }
      table.insert(M.known_models, model.id)
    end
    callback(options)
  end)
end

---@param name 'mode'|'model'|'effort'
---@param options fun(callback: fun(options: lanebridge.Option[]))
local function choice(name, options)
  return function(call)
    thread.current(function(one)
      if call.text ~= '' then
        return set(one, name, call.text)
      end
      options(function(list)
        pick(one, name, list)
      end)
    end)
  end
end

local function these(list)
  return function(callback)
    callback(list)
  end
end

M.mode = choice('mode', these(modes))
M.effort = choice('effort', these(efforts))
M.model = choice('model', list_models)

---@param options lanebridge.Option[]
local function values(options)
  return function()
    return vim.tbl_map(function(option)
      return option.value
    end, vim.list_slice(options, 2))
  end
end

--- For completion.
M.modes, M.efforts = values(modes), values(efforts)

-- The menu --------------------------------------------------------------------------------------------------

local function busy()
  return state.busy() ~= nil
end
local function idle()
  return not busy()
end
local function asked()
  return require('lanebridge.approval').count() > 0
end
local function pending()
  return require('lanebridge.hunks').count() > 0
end
local function cut_off()
  local last = state.last and state.threads[state.last]
  return last ~= nil and last.canContinue == true
end

--- Subcommands, most wanted first, and when they make sense.
local entries = {
  { 'approve', asked },
  { 'continue', cut_off },
  { 'stop', busy },
  { 'steer', busy },
  { 'next', pending },
  { 'hunks', pending },
  { 'accept all', pending },
  { 'reject all', pending },
  { 'chat' },
  { 'threads' },
  { 'new' },
  { 'review', idle },
  { 'commit' },
  { 'plan', idle },
  { 'undo', idle },
  { 'redo', idle },
  { 'retry', idle },
  { 'fork' },
  { 'mode' },
  { 'model' },
  { 'effort' },
  { 'queue' },
  { 'preview' },
  { 'sent' },
  { 'export' },
  { 'rename' },
  { 'archive' },
  { 'delete' },
  { 'compact', idle },
  { 'rules' },
  { 'status' },
  { 'key' },
  { 'restart' },
}

--- :Lanebridge menu: what can be done now, with its key.
function M.menu()
  local command, keys = require('lanebridge.command'), require('lanebridge.keys')
  local list = {}
  for _, entry in ipairs(entries) do
    if not entry[2] or entry[2]() then
      list[#list + 1] = entry[1]
    end
  end
  vim.ui.select(list, {
    prompt = 'Lanebridge · ' .. require('lanebridge.status').words(),
    format_item = function(name)
      local first, all = name:match('^(%S+)(.*)$')
      local key = all == '' and keys.of(first)
      local about = all == '' and command.subcommands[first].about or (first .. ' everything that waits')
      return ('%-10s %s%s'):format(name, about:match('^[^;]*'), key and ('  ' .. key) or '')
    end,
  }, function(name)
    if name then
      vim.cmd('Lanebridge ' .. name)
    end
  end)
end

return M
