-- Approvals and questions. They wait, with a badge to say so, until you open them: nothing here takes the focus
-- by itself, and what you type into something else answers nothing.
local config = require('lanebridge.config')
local float = require('lanebridge.float')
local state = require('lanebridge.state')
local util = require('lanebridge.util')
local wire = require('lanebridge.wire')

local M = {}

---@class lanebridge.Asked
---@field kind 'approval'|'question'|'secret'
---@field params table
---@field answer fun(result: table)

local queue = {} ---@type lanebridge.Asked[]
local shown ---@type {entry: lanebridge.Asked, handle: table}?

---@return integer
function M.count()
  return #queue
end

--- Does a turn wait for the person?
---@param turn string
function M.holds(turn)
  for _, entry in ipairs(queue) do
    if entry.params.turnId == turn then
      return true
    end
  end
  return false
end

--- What waits; for tests and statuslines of your own.
function M.list()
  return queue
end

local function headline(entry)
  local params = entry.params
  if entry.kind == 'approval' then
    return ('%s  %s'):format(params.title, params.show:match('[^\n]*'))
  elseif entry.kind == 'question' then
    return params.questions[1].text
  end
  return params.title
end

local function refresh()
  require('lanebridge.highlight').set()
  local text
  if #queue > 0 and not shown and config.options.badge == 'float' then
    local more = #queue > 1 and (' (1 of %d)'):format(#queue) or ''
    local hint = require('lanebridge.keys').of('approve') or ':Lanebridge approve'
    local room = math.max(20, math.floor(vim.o.columns * 0.7) - #hint - #more - 8)
    text = ('●%s %s  %s'):format(more, util.clip(headline(queue[1]), room), hint)
  end
  float.badge(text)
  state.tell('asked')
  require('lanebridge.status').changed()
end

---@param entry lanebridge.Asked
local function forget(entry)
  for i, one in ipairs(queue) do
    if one == entry then
      table.remove(queue, i)
      return true
    end
  end
  return false
end

--- Takes a question back that nobody needs to answer any more.
---@param entry lanebridge.Asked
local function withdraw(entry)
  if not forget(entry) then
    return
  end
  if shown and shown.entry == entry then
    local handle = shown.handle
    shown = nil
    handle.close()
    vim.notify('Lanebridge: this is no longer asked, nothing of it was done')
  end
  refresh()
end

---@param entry lanebridge.Asked
---@param result table
local function give(entry, result)
  if forget(entry) then
    entry.answer(result)
  end
  if entry.params.kind == 'trust' and result.decision ~= 'accept' then
    state.tell('distrusted')
  end
  refresh()
end

local function wait(kind, params)
  local entry = { kind = kind, params = params }
  return wire.wait(function(answer)
    entry.answer = answer
    queue[#queue + 1] = entry
    refresh()
    vim.api.nvim_exec_autocmds('User', { pattern = 'LanebridgeAsked', modeline = false })
  end, function()
    withdraw(entry)
  end)
end

function M.on_approval(params)
  return wait('approval', params)
end

function M.on_question(params)
  return wait('question', params)
end

---@param params {name: string, refused?: boolean}
---@return string? value
---@return table? err
function M.wait_secret(params)
  local title = params.refused and 'The endpoint refused the key' or 'The endpoint wants a key'
  local result, err = wait('secret', { title = title, refused = params.refused })
  return result and result.value, err
end

-- An approval in a float ---------------------------------------------------------------------------------

local SHOWN_LINES = 30

local function body_of(params)
  local lines = { params.title, '' }
  local show = vim.split(params.show, '\n', { trimempty = true })
  for i, line in ipairs(show) do
    if i > SHOWN_LINES then
      lines[#lines + 1] = ('    … %d more lines'):format(#show - SHOWN_LINES)
      break
    end
    lines[#lines + 1] = '    ' .. line
  end
  if params.reason ~= '' then
    lines[#lines + 1] = ''
    vim.list_extend(lines, vim.split('Why: ' .. params.reason, '\n'))
  end
  return lines
end

local function choices_of(params)
  local choices = {
    { label = 'Decline', key = 'd', value = { decision = 'decline' } },
    { label = 'Decline, and say what to do instead …', key = 'n', value = 'note' },
    { label = params.kind == 'trust' and 'Accept' or 'Accept this once', key = 'a', value = { decision = 'accept' } },
  }
  for i, rule in ipairs(params.rules) do
    choices[#choices + 1] = {
      label = 'Accept; ' .. rule.text,
      key = tostring(i),
      value = { decision = 'accept', ruleId = rule.id },
    }
  end
  if params.kind == 'trust' then
    table.remove(choices, 2)
  end
  return choices
end

--- A line of input for what is shown, which is taken away with it.
---@param entry lanebridge.Asked
---@param title string
---@param on_done fun(text?: string)
local function line_of(entry, title, on_done)
  shown = { entry = entry }
  shown.handle = float.input({
    title = title,
    on_done = function(text)
      shown = nil
      on_done(text)
    end,
  })
end

local function note(entry)
  line_of(entry, 'Declined. What should it do instead?', function(text)
    if not text then
      return M.open()
    end
    give(entry, { decision = 'decline', note = text })
    M.open_next()
  end)
end

local function show(entry, chooser)
  chooser.dead_time = config.options.dead_time
  chooser.on_close = function()
    shown = nil
    refresh()
  end
  local on_choice = chooser.on_choice
  chooser.on_choice = function(value)
    shown = nil
    on_choice(value)
  end
  shown = { entry = entry }
  shown.handle = float.choose(chooser)
  refresh()
end

local function open_approval(entry, title)
  show(entry, {
    title = title,
    body = body_of(entry.params),
    choices = choices_of(entry.params),
    on_choice = function(value)
      if value == 'note' then
        return note(entry)
      end
      give(entry, value)
      M.open_next()
    end,
  })
end

-- Questions, one after the other ---------------------------------------------------------------------------

local function open_question(entry, title)
  local answers = {}
  local function ask(i)
    local question = entry.params.questions[i]
    if not question then
      give(entry, { answers = answers })
      return M.open_next()
    end
    local function answered(text)
      if text then
        answers[#answers + 1] = { id = question.id, text = text }
      end
      ask(i + 1)
    end
    local choices = {}
    for k, option in ipairs(question.options) do
      local about = option.description and option.description ~= '' and (' · ' .. option.description) or ''
      choices[#choices + 1] = { label = option.label .. about, key = tostring(k), value = { text = option.label } }
    end
    choices[#choices + 1] = { label = 'Something else …', key = 'o', value = 'other' }
    choices[#choices + 1] = { label = 'No answer', key = 'n', value = {} }
    show(entry, {
      title = title,
      body = vim.split(question.text, '\n'),
      choices = choices,
      on_choice = function(value)
        if value == 'other' then
          return line_of(entry, util.clip(question.text, 60), answered)
        end
        answered(value.text)
      end,
    })
  end
  ask(1)
end

--- What takes the question away ends the typing as well.
local function type_secret(entry)
  shown = {
    entry = entry,
    handle = {
      close = function()
        vim.api.nvim_input('<C-u><Esc>')
      end,
    },
  }
  local value = require('lanebridge.secret').type_in()
  shown = nil
  if value then
    give(entry, { value = value })
  end
  refresh()
end

---@param entry lanebridge.Asked
---@param url? string
local function use_endpoint(entry, url)
  if url then
    give(entry, {})
    require('lanebridge.secret').use_endpoint(url)
  end
end

local secret_answers = {
  type = type_secret,
  url = function(entry)
    line_of(entry, 'URL of the model, as ws://127.0.0.1:8080/v1/responses', function(url)
      use_endpoint(entry, url)
    end)
  end,
  demo = function(entry)
    use_endpoint(entry, 'replay:demo')
  end,
  none = function(entry)
    give(entry, {})
  end,
}

local function open_secret(entry, title)
  show(entry, {
    title = title,
    body = {
      entry.params.title .. (entry.params.refused and '.' or ', and none is set.'),
      '',
      'For good: the environment (OPENAI_API_KEY), or the setting endpoint.apiKeyCommand.',
    },
    choices = {
      { label = 'Type one in; it is kept until Neovim ends', key = 'k', value = 'type' },
      { label = 'Use a model on this machine, by its URL …', key = 'u', value = 'url' },
      { label = 'Play the demonstration: a recording, no model', key = 'p', value = 'demo' },
      { label = 'Go on without: what was asked fails', key = 'n', value = 'none' },
    },
    on_choice = function(value)
      secret_answers[value](entry)
    end,
  })
end

--- Opens what was asked first.
function M.open()
  local entry = queue[1]
  if not entry then
    return vim.notify('Lanebridge: nothing is asked')
  end
  if shown then
    return shown.handle.win and vim.api.nvim_set_current_win(shown.handle.win)
  end
  local title = #queue > 1 and ('Lanebridge asks (1 of %d)'):format(#queue) or 'Lanebridge asks'
  if entry.kind == 'approval' then
    open_approval(entry, title)
  elseif entry.kind == 'question' then
    open_question(entry, title)
  else
    open_secret(entry, title)
  end
end

function M.open_next()
  if #queue > 0 then
    vim.schedule(function()
      if #queue > 0 and not shown then
        M.open()
      end
    end)
  end
end

vim.api.nvim_create_autocmd({ 'VimResized', 'CmdwinLeave' }, {
  group = vim.api.nvim_create_augroup('lanebridge_badge', { clear = true }),
  callback = function()
    if #queue > 0 then
      float.badge(nil)
      vim.schedule(refresh)
    end
  end,
})

state.listen(function(event, _, turn)
  if event == 'completed' and turn then
    for _, entry in ipairs(vim.list_slice(queue)) do
      if entry.params.turnId == turn.id then
        withdraw(entry)
        entry.answer(entry.kind == 'approval' and { decision = 'cancel' } or {})
      end
    end
  elseif event == 'server' and not state.running then
    for _, entry in ipairs(vim.list_slice(queue)) do
      withdraw(entry)
    end
  end
end)

return M
