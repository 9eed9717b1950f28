-- What the server has told: threads with their turns and items, the connection. Views listen.

---@class lanebridge.Item
---@field id string
---@field type string
---@field text? string
---@field title? string
---@field tool? string
---@field ok? boolean
---@field output? string
---@field diff? string
---@field exitCode? integer
---@field ranMs? integer
---@field live? string deltas of an item that is not completed
---@field pieces? string[] those of a message
---@field done? boolean
---@field children? lanebridge.Item[] what a helper does, of type subagent

---@class lanebridge.Turn
---@field id string
---@field text string
---@field status 'queued'|'running'|'completed'|'interrupted'|'failed'
---@field items lanebridge.Item[]
---@field by_id table<string, lanebridge.Item>
---@field notice? string
---@field error? string
---@field usage? table
---@field timing? table
---@field began? integer milliseconds

---@class lanebridge.Thread
---@field id string
---@field title string
---@field model? string
---@field mode? string
---@field effort? string
---@field archived? boolean
---@field turns lanebridge.Turn[]
---@field by_id table<string, lanebridge.Turn>
---@field running? lanebridge.Turn
---@field canContinue? boolean
---@field loaded? boolean its history is here

local M = {
  threads = {}, ---@type table<string, lanebridge.Thread>
  last = nil, ---@type string? the thread that was heard of last
  connection = nil, ---@type table?
  running = false, -- the server
}

---@alias lanebridge.Listener fun(event: string, thread?: table, turn?: table, item?: table, more?: any)
local listeners = {} ---@type lanebridge.Listener[]

---@param fn lanebridge.Listener
function M.listen(fn)
  listeners[#listeners + 1] = fn
end

local function tell(...)
  for _, fn in ipairs(listeners) do
    fn(...)
  end
end
M.tell = tell

---@param id string
---@return lanebridge.Thread
function M.thread(id)
  local thread = M.threads[id]
  if not thread then
    thread = { id = id, title = '', turns = {}, by_id = {} }
    M.threads[id] = thread
  end
  return thread
end

---@param thread lanebridge.Thread
---@param id string
---@return lanebridge.Turn
function M.turn(thread, id)
  local turn = thread.by_id[id]
  if not turn then
    turn = { id = id, text = '', status = 'queued', items = {}, by_id = {} }
    thread.by_id[id] = turn
    table.insert(thread.turns, turn)
    tell('turn', thread, turn)
  end
  return turn
end

---@param turn lanebridge.Turn
---@param wanted table
---@return lanebridge.Item item the helper's, if it is one that a helper does
---@return boolean new
---@return lanebridge.Item itself
local function item_of(turn, wanted)
  local parent = wanted.parentItemId and turn.by_id[wanted.parentItemId]
  local item = turn.by_id[wanted.id]
  -- The user's message and an error may both have the turn's id.
  if item and (item.type == wanted.type or wanted.type == nil) then
    return parent or item, false, item
  end
  item = { id = wanted.id, type = wanted.type }
  turn.by_id[wanted.id] = item
  if parent then
    parent.children = parent.children or {}
    table.insert(parent.children, item)
    return parent, false, item
  end
  table.insert(turn.items, item)
  return item, true, item
end

local function take(item, told)
  for name, value in pairs(told) do
    item[name] = value
  end
end

local function find(params)
  local thread = M.thread(params.threadId)
  return thread, M.turn(thread, params.turnId)
end

--- Takes what thread/read or a list told of a thread.
---@param told table
---@return lanebridge.Thread
function M.merge_thread(told)
  local thread = M.thread(told.id)
  for _, name in ipairs({ 'title', 'model', 'mode', 'effort', 'folder', 'archived', 'leased', 'updated' }) do
    thread[name] = told[name]
  end
  thread.canContinue = told.canContinue
  return thread
end

--- History of a thread: turns that are not known yet come first.
---@param result table of lanebridge/thread/read
function M.merge_history(result)
  local thread = M.merge_thread(result.thread)
  local known = thread.by_id
  local turns = {}
  for _, told in ipairs(result.turns) do
    local turn = known[told.id]
    if not turn then
      turn = { id = told.id, text = '', status = told.status, items = {}, by_id = {} }
      turn.usage, turn.error = told.usage, told.error
      for _, item in ipairs(told.items) do
        local _, _, mine = item_of(turn, item)
        take(mine, item)
        mine.done = true
      end
    end
    turns[#turns + 1] = turn
  end
  local seen = {}
  for _, turn in ipairs(turns) do
    seen[turn.id] = true
  end
  for _, turn in ipairs(thread.turns) do
    if not seen[turn.id] then
      turns[#turns + 1] = turn
    end
  end
  thread.turns, thread.by_id = turns, {}
  for _, turn in ipairs(turns) do
    thread.by_id[turn.id] = turn
  end
  return thread
end

function M.thread_updated(params)
  local thread = M.thread(params.threadId)
  thread.title, thread.model = params.title, params.model
  thread.mode, thread.effort = params.mode, params.effort
  tell('thread', thread)
end

function M.turn_started(params)
  local thread, turn = find(params)
  turn.text, turn.status, turn.began = params.text, 'running', vim.uv.now()
  thread.running = turn
  thread.canContinue = nil
  M.last = thread.id
  tell('started', thread, turn)
end

--- The connection broke while it came, and it is asked for again: it was never said.
local function drop(thread, turn, item)
  for i, one in ipairs(turn.items) do
    if one == item then
      table.remove(turn.items, i)
      turn.by_id[item.id] = nil
      return tell('dropped', thread, turn, item)
    end
  end
end

function M.turn_completed(params)
  local thread, turn = find(params)
  turn.status, turn.usage, turn.timing, turn.error = params.status, params.usage, params.timing, params.error
  turn.notice = nil
  if thread.running == turn then
    thread.running = nil
  end
  tell('completed', thread, turn)
end

function M.turn_notice(params)
  local thread, turn = find(params)
  turn.notice = params.text
  tell('notice', thread, turn)
end

function M.item_started(params)
  local thread, turn = find(params)
  local item, new, itself = item_of(turn, params.item)
  take(itself, params.item)
  tell(new and 'item' or 'item_changed', thread, turn, item)
end

function M.item_delta(params)
  local thread, turn = find(params)
  local item, new = item_of(turn, { id = params.itemId, type = params.type })
  if new then
    tell('item', thread, turn, item)
  end
  tell('delta', thread, turn, item, params.delta)
end

function M.item_completed(params)
  local thread, turn = find(params)
  local item, new, itself = item_of(turn, params.item)
  if params.item.void then
    return drop(thread, turn, item)
  end
  take(itself, params.item)
  itself.done, itself.live, itself.pieces = true, nil, nil
  tell(new and 'item' or 'item_changed', thread, turn, item)
  if itself.type == 'commandExecution' then
    -- A command may have changed files that are open here.
    vim.schedule(function()
      require('lanebridge.edit').reload()
    end)
  end
end

function M.connection_updated(params)
  M.connection = params
  tell('connection')
end

---@param thread lanebridge.Thread
---@param turn lanebridge.Turn
local function remove_turn(thread, turn)
  thread.by_id[turn.id] = nil
  for i, one in ipairs(thread.turns) do
    if one == turn then
      table.remove(thread.turns, i)
    end
  end
  tell('unqueued', thread, turn)
end

function M.queue_updated(params)
  local thread = M.thread(params.threadId)
  local waits = {}
  for _, told in ipairs(params.turns) do
    waits[told.turnId] = true
    local turn = M.turn(thread, told.turnId)
    turn.text = told.text
  end
  for _, turn in ipairs(vim.list_slice(thread.turns)) do
    -- It begins, or was taken out; if it begins, turn/started makes it anew.
    if turn.status == 'queued' and not waits[turn.id] then
      remove_turn(thread, turn)
    end
  end
  tell('queue', thread)
end

function M.server_started(client)
  M.running = true
  tell('server', nil)
  require('lanebridge.client').run_waiting(client)
end

function M.server_ended(code, signal)
  M.running = false
  M.connection = nil
  for _, thread in pairs(M.threads) do
    local turn = thread.running
    if turn then
      thread.running = nil
      turn.status, turn.error = 'failed', 'the server ended while this turn ran'
      thread.canContinue = true
      tell('completed', thread, turn)
    end
  end
  require('lanebridge.client').drop_waiting()
  tell('server', nil, nil, nil, { code = code, signal = signal })
end

---@return lanebridge.Thread? thread one of whose turns runs, that heard of last first
function M.busy()
  local last = M.last and M.threads[M.last]
  if last and last.running then
    return last
  end
  for _, thread in pairs(M.threads) do
    if thread.running then
      return thread
    end
  end
end

return M
