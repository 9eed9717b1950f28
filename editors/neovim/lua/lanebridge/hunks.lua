-- Hunks that wait for you: shown in their files, accepted and rejected there.
local client = require('lanebridge.client')
local paint = require('lanebridge.paint')
local util = require('lanebridge.util')

local api = vim.api

local M = {
  pending = {}, ---@type table<string, table[]> changes by thread
}

local reading = {} ---@type table<string, 'once'|'again'> by thread

---@return integer
function M.count()
  local count = 0
  for _, changes in pairs(M.pending) do
    for _, change in ipairs(changes) do
      count = count + #change.hunks
    end
  end
  return count
end

local function draw_all()
  for _, bufnr in ipairs(api.nvim_list_bufs()) do
    if client.is_file(bufnr) then
      paint.draw(bufnr)
    end
  end
  require('lanebridge.review').refresh_quickfix()
  require('lanebridge.status').changed()
  api.nvim_exec_autocmds('User', { pattern = 'LanebridgeHunks', modeline = false })
end

local function take(id, changes)
  for _, change in ipairs(changes) do
    change.hunks = vim.tbl_filter(function(hunk)
      return hunk.state == 'pending'
    end, change.hunks)
  end
  M.pending[id] = #changes > 0 and changes or nil
  draw_all()
end

--- What waits in a thread is read again. News that come while it is read are one more reading.
---@param id string
function M.read(id)
  if reading[id] then
    reading[id] = 'again'
    return
  end
  if not client.get() then
    return
  end
  reading[id] = 'once'
  local function done()
    local again = reading[id] == 'again'
    reading[id] = nil
    if again then
      M.read(id)
    end
  end
  client.request('lanebridge/changes/list', { threadId = id }, function(result)
    take(id, result.changes)
    done()
  end, done)
end

function M.on_updated(params)
  M.read(params.threadId)
end

---@param verb 'accept'|'reject'
---@param change table
---@param hunk? table
local function decide(verb, change, hunk)
  client.request('lanebridge/changes/' .. verb, {
    threadId = change.threadId,
    turnId = change.turnId,
    path = change.path,
    hunk = hunk and hunk.index,
  }, function()
    M.read(change.threadId)
  end)
end

local done = { accept = 'accepted', reject = 'rejected' }

--- :Lanebridge accept, reject: at the cursor or in the range; `file`: of the file; `all`: of everything.
---@param verb 'accept'|'reject'
---@param call lanebridge.Call
function M.decide(verb, call)
  if call.text == 'all' then
    local total = M.count()
    for _, changes in pairs(M.pending) do
      for _, change in ipairs(changes) do
        decide(verb, change)
      end
    end
    return vim.notify(('Lanebridge: %s %s'):format(util.count(total, 'hunk'), done[verb]))
  end
  local row = api.nvim_win_get_cursor(0)[1]
  local list = (call.text == 'file' or call.bang) and paint.here() or paint.at(call.first or row, call.last or row)
  if #list == 0 then
    return vim.notify('Lanebridge: no hunk waits here; :Lanebridge next goes to one')
  end
  for _, entry in ipairs(list) do
    decide(verb, entry.one.change, entry.one.hunk)
  end
end

require('lanebridge.state').listen(function(event)
  if event == 'server' and not require('lanebridge.state').running then
    M.pending, reading = {}, {}
    draw_all()
  end
end)

return M
