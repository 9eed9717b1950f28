-- What can be done with a turn: let it go on, ask it again, undo it, tell it more, let words wait for its end.
local ask = require('lanebridge.ask')
local client = require('lanebridge.client')
local state = require('lanebridge.state')
local thread = require('lanebridge.thread')

local M = {}

local say, current = thread.say, thread.current

local function chat()
  return require('lanebridge.chat')
end

--- Lets a turn that was cut off go on.
function M.continue()
  current(function(one, folder)
    client.request('lanebridge/thread/resume', { threadId = one.id, ['continue'] = true }, function(result)
      state.merge_thread(result.thread)
      chat().show(one.id, folder, vim.b.lanebridge_thread ~= nil)
      state.tell('continue', one)
      if not result.turn then
        say('nothing was cut off')
      end
    end)
  end)
end

function M.retry()
  thread.turn('there is nothing to ask again', function(one, turn)
    client.request('lanebridge/turn/retry', { threadId = one.id, turnId = turn.id })
  end)
end

local outcomes = {
  done = 'as before',
  conflict = 'not: you changed the same lines',
  notUndoable = 'cannot be undone',
  keptUserChanges = 'as before, with your later changes',
}

---@param verb 'undo'|'redo'
local function take_back(verb)
  current(function(one)
    local turn = vim.b.lanebridge_thread and chat().turn_here()
    client.request('lanebridge/turn/' .. verb, {
      threadId = one.id,
      turnId = turn and turn.id or nil,
    }, function(result)
      local lines = {}
      for _, file in ipairs(result.files) do
        local text = file.text and file.text ~= '' and file.text or outcomes[file.outcome] or file.outcome
        lines[#lines + 1] = ('%s: %s'):format(file.path, text)
      end
      require('lanebridge.hunks').read(one.id)
      require('lanebridge.edit').reload()
      say(#lines == 0 and ('nothing to ' .. verb) or (verb .. 'ne: ' .. table.concat(lines, '; ')))
    end)
  end)
end

function M.undo()
  take_back('undo')
end

function M.redo()
  take_back('redo')
end

---@param call lanebridge.Call
function M.steer(call)
  local one = state.busy()
  if not one then
    return say('nothing runs; :Lanebridge ask starts a turn')
  end
  local function go(words)
    if words and words ~= '' then
      ask.steer(one, { { type = 'text', text = words } })
    end
  end
  if call.text ~= '' then
    return go(call.text)
  end
  require('lanebridge.float').input({ title = 'Tell the turn that runs', on_done = go })
end

--- Takes a prompt that waits back into the chat.
---@param one lanebridge.Thread
---@param waiting table
local function unqueue(one, waiting)
  client.request('lanebridge/turn/unqueue', { threadId = one.id, turnId = waiting.turnId }, function(result)
    local view = chat().show(one.id, ask.folder(), true)
    local words = {}
    for _, input in ipairs(result.input) do
      words[#words + 1] = input.text
    end
    view:set_prompt(table.concat(words, '\n'))
  end)
end

--- :Lanebridge queue: with words, asks when what runs has ended; without, shows what waits.
---@param call lanebridge.Call
function M.queue(call)
  if call.text ~= '' then
    return ask.ask(call.text, { queue = true })
  end
  current(function(one)
    client.request('lanebridge/turn/queue', { threadId = one.id }, function(result)
      if #result.turns == 0 then
        return say('nothing waits')
      end
      vim.ui.select(result.turns, {
        prompt = 'Take back into the prompt',
        format_item = function(turn)
          return turn.text
        end,
      }, function(chosen)
        if chosen then
          unqueue(one, chosen)
        end
      end)
    end)
  end)
end

-- Plans ----------------------------------------------------------------------------------------------------

--- The steps of a turn's last plan.
---@param turn lanebridge.Turn
---@return string[]
local function steps_of(turn)
  for i = #turn.items, 1, -1 do
    if turn.items[i].type == 'plan' then
      local ok, told = pcall(vim.json.decode, turn.items[i].output or '')
      return ok and vim.tbl_map(function(one)
        return one.step
      end, told.plan or {}) or {}
    end
  end
  return {}
end

--- Lines of a list, without what makes them one.
---@param lines string[]
---@return string[]
local function steps_in(lines)
  local steps = {}
  for _, line in ipairs(lines) do
    local step = vim.trim((line:gsub('^%s*[-*]%s+', ''):gsub('^%[.%]%s+', '')))
    if step ~= '' then
      steps[#steps + 1] = step
    end
  end
  return steps
end

--- :Lanebridge plan: its steps in a window; those that are left, as they are then, are carried out. A plan that is
--- a list in the answer, or one that is accepted with !, goes on as it is.
---@param call lanebridge.Call
function M.accept_plan(call)
  thread.turn('there is no plan to accept', function(one, turn, folder)
    local function accept(steps, close)
      client.request('lanebridge/plan/accept', {
        threadId = one.id,
        turnId = turn.id,
        steps = steps,
        mode = call.text ~= '' and call.text or nil,
      }, function(result)
        if close then
          close()
        end
        thread.show_started(result, folder)
      end)
    end
    local steps = steps_of(turn)
    if #steps == 0 or call.bang then
      return accept()
    end
    thread.edit_text({
      name = 'plan/' .. turn.id,
      filetype = 'markdown',
      lines = vim.tbl_map(function(step)
        return '- ' .. step:gsub('%s*\n%s*', ' ')
      end, steps),
      on_write = function(lines, close)
        local left = steps_in(lines)
        if #left == 0 then
          return say('no step is left: leave one, or :q! leaves the plan as it was')
        end
        accept(left, close)
      end,
    })
  end)
end

return M
