-- Hunks that wait for you: shown in their files, accepted and rejected there.
local client = require('lanebridge.client')
local util = require('lanebridge.util')

local api = vim.api
local space = api.nvim_create_namespace('lanebridge_hunks')
local hint_space = api.nvim_create_namespace('lanebridge_hunk_hint')

local M = {
  pending = {}, ---@type table<string, table[]> changes by thread
}

---@class lanebridge.Placed
---@field mark integer extmark that covers its lines
---@field change table
---@field hunk table

local placed = {} ---@type table<integer, lanebridge.Placed[]>
local reading = {} ---@type table<string, 'once'|'again'> by thread

require('lanebridge.highlight').set()

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

local function lines_at(bufnr, row, wanted)
  if row < 0 then
    return false
  end
  local lines = api.nvim_buf_get_lines(bufnr, row, row + #wanted, false)
  if #lines ~= #wanted then
    return false
  end
  for i, line in ipairs(wanted) do
    if lines[i] ~= line then
      return false
    end
  end
  return true
end

--- Where lines are: at `row`, or near it if somebody has typed since.
local function find(bufnr, row, wanted)
  if #wanted == 0 or lines_at(bufnr, row, wanted) then
    return row
  end
  for distance = 1, 300 do
    for _, at in ipairs({ row - distance, row + distance }) do
      if lines_at(bufnr, at, wanted) then
        return at
      end
    end
  end
end

local function virtual(lines, group)
  local out = {}
  for i, line in ipairs(lines) do
    if i > 200 then
      out[#out + 1] = { { ('… %d more lines'):format(#lines - 200), group } }
      break
    end
    local text = line:gsub('\t', (' '):rep(vim.o.tabstop))
    local pad = math.max(0, vim.o.columns - vim.fn.strdisplaywidth(text))
    out[#out + 1] = { { text .. (' '):rep(pad), group } }
  end
  return out
end

--- Lines above the first one are seen only if the window makes room for them.
local function make_room(bufnr, count)
  for _, win in ipairs(vim.fn.win_findbuf(bufnr)) do
    api.nvim_win_call(win, function()
      local seen = vim.fn.winsaveview()
      if seen.topline == 1 and seen.topfill < count then
        vim.fn.winrestview({ topfill = count })
      end
    end)
  end
end

---@param bufnr integer
---@param change table
---@param hunk table
local function place(bufnr, change, hunk)
  local applied = change.applied
  local here = applied and hunk.new or hunk.old
  local start = (applied and hunk.newStart or hunk.oldStart) or 1
  local row = find(bufnr, math.max(start - 1, 0), here)
  if not row then
    return
  end
  local count = api.nvim_buf_line_count(bufnr)
  local options = {
    priority = 150,
    right_gravity = false,
    end_right_gravity = true,
  }
  local ghost = virtual(applied and hunk.old or hunk.new, applied and 'LanebridgeDelete' or 'LanebridgeAdd')
  if hunk.kind ~= 'lines' then
    ghost =
      { { { ('%s: %s'):format(hunk.kind == 'create' and 'new file' or hunk.kind, change.path), 'LanebridgeHint' } } }
  end
  if #here > 0 then
    options.end_row = math.min(row + #here, count)
    options.hl_group = applied and 'LanebridgeAdd' or 'LanebridgeDelete'
    options.hl_eol = true
    if hunk.kind ~= 'lines' then
      options.hl_group = nil
    end
  end
  local at = math.min(row, count - 1)
  local above = true
  if not applied then
    above = false
    at = math.max(0, math.min(row + #here, count) - 1)
  elseif row >= count then
    above = false
  end
  local mark = api.nvim_buf_set_extmark(bufnr, space, math.min(row, count - 1), 0, options)
  if #ghost > 0 then
    api.nvim_buf_set_extmark(bufnr, space, at, 0, {
      virt_lines = ghost,
      virt_lines_above = above,
      right_gravity = false,
    })
    if above and at == 0 then
      make_room(bufnr, #ghost)
    end
  end
  for i = 0, math.min(#here, 1000) - 1 do
    api.nvim_buf_set_extmark(bufnr, space, row + i, 0, {
      sign_text = applied and '▎' or '▁',
      sign_hl_group = applied and 'LanebridgeSignAdd' or 'LanebridgeSignDelete',
      priority = 150,
    })
  end
  if #here == 0 then
    api.nvim_buf_set_extmark(bufnr, space, at, 0, {
      sign_text = '▔',
      sign_hl_group = applied and 'LanebridgeSignDelete' or 'LanebridgeSignAdd',
      priority = 150,
    })
  end
  table.insert(placed[bufnr], { mark = mark, change = change, hunk = hunk })
end

---@param bufnr integer
local function draw(bufnr)
  api.nvim_buf_clear_namespace(bufnr, space, 0, -1)
  api.nvim_buf_clear_namespace(bufnr, hint_space, 0, -1)
  placed[bufnr] = {}
  local name = api.nvim_buf_get_name(bufnr)
  for _, changes in pairs(M.pending) do
    for _, change in ipairs(changes) do
      if vim.uri_to_fname(change.newUri or change.uri) == name then
        for _, hunk in ipairs(change.hunks) do
          place(bufnr, change, hunk)
        end
      end
    end
  end
  if #placed[bufnr] == 0 then
    placed[bufnr] = nil
  end
  M.hint()
end

local function draw_all()
  for _, bufnr in ipairs(api.nvim_list_bufs()) do
    if client.is_file(bufnr) then
      draw(bufnr)
    end
  end
  M.refresh_quickfix()
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

---@param bufnr integer
---@param one lanebridge.Placed
---@return integer first, integer last lines from 0; last is the one behind
local function range_of(bufnr, one)
  local at = api.nvim_buf_get_extmark_by_id(bufnr, space, one.mark, { details = true })
  return at[1] or 0, (at[3] and at[3].end_row) or at[1] or 0
end

--- Hunks of the current buffer, in order.
---@return {first: integer, last: integer, one: lanebridge.Placed}[]
function M.here(bufnr)
  bufnr = bufnr or api.nvim_get_current_buf()
  local list = {}
  for _, one in ipairs(placed[bufnr] or {}) do
    local first, last = range_of(bufnr, one)
    list[#list + 1] = { first = first, last = math.max(last, first + 1), one = one }
  end
  table.sort(list, function(a, b)
    return a.first < b.first
  end)
  return list
end

--- Those that lines first..last touch, from 1.
local function at(first, last)
  return vim.tbl_filter(function(entry)
    return entry.first < last and entry.last >= first
  end, M.here())
end

--- The keys are told beside the hunk the cursor is in.
function M.hint()
  local bufnr = api.nvim_get_current_buf()
  if not placed[bufnr] then
    return
  end
  api.nvim_buf_clear_namespace(bufnr, hint_space, 0, -1)
  local row = api.nvim_win_get_cursor(0)[1]
  local list = M.here()
  for i, entry in ipairs(list) do
    if entry.first < row and entry.last >= row then
      local keys = require('lanebridge.keys').hunk_hint()
      api.nvim_buf_set_extmark(bufnr, hint_space, entry.first, 0, {
        virt_text = { { ('  %d/%d  %s'):format(i, #list, keys), 'LanebridgeHint' } },
        virt_text_pos = 'eol',
      })
      return
    end
  end
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
  local list = (call.text == 'file' or call.bang) and M.here() or at(call.first or row, call.last or row)
  if #list == 0 then
    return vim.notify('Lanebridge: no hunk waits here; :Lanebridge next goes to one')
  end
  for _, entry in ipairs(list) do
    decide(verb, entry.one.change, entry.one.hunk)
  end
end

--- Every hunk as a quickfix entry, files that are not open included.
local function entries()
  local list = {}
  for _, changes in pairs(M.pending) do
    for _, change in ipairs(changes) do
      local path = vim.uri_to_fname(change.newUri or change.uri)
      local bufnr = require('lanebridge.edit').loaded(change.newUri or change.uri)
      for _, hunk in ipairs(change.hunks) do
        local row = (change.applied and hunk.newStart or hunk.oldStart) or 1
        if bufnr then
          for _, entry in ipairs(M.here(bufnr)) do
            row = entry.one.hunk == hunk and entry.first + 1 or row
          end
        end
        local text = hunk.kind == 'lines' and util.clip(vim.trim(hunk.new[1] or hunk.old[1] or ''), 80)
          or (hunk.kind .. ' ' .. change.path)
        list[#list + 1] = {
          filename = path,
          lnum = math.max(row, 1),
          text = ('+%d −%d  %s'):format(#hunk.new, #hunk.old, text),
        }
      end
    end
  end
  table.sort(list, function(a, b)
    return a.filename == b.filename and a.lnum < b.lnum or a.filename < b.filename
  end)
  return list
end

local TITLE = 'Lanebridge hunks'

function M.quickfix()
  local list = entries()
  if #list == 0 then
    return vim.notify('Lanebridge: no hunk waits')
  end
  vim.fn.setqflist({}, ' ', { title = TITLE, items = list })
  vim.cmd('botright copen')
end

function M.refresh_quickfix()
  if vim.fn.getqflist({ title = 1 }).title == TITLE then
    vim.fn.setqflist({}, 'r', { title = TITLE, items = entries() })
  end
end

--- To the next or previous hunk, through all files.
---@param step integer
function M.go(step)
  local list = entries()
  if #list == 0 then
    return vim.notify('Lanebridge: no hunk waits')
  end
  local name, row = api.nvim_buf_get_name(0), api.nvim_win_get_cursor(0)[1]
  local target
  for i = step > 0 and 1 or #list, step > 0 and #list or 1, step do
    local entry = list[i]
    local later
    if entry.filename == name then
      later = (entry.lnum - row) * step > 0
    else
      later = (entry.filename > name) == (step > 0)
    end
    if later then
      target = entry
      break
    end
  end
  target = target or list[step > 0 and 1 or #list]
  vim.cmd("normal! m'")
  if target.filename ~= name then
    if not client.is_file(api.nvim_get_current_buf()) then
      vim.cmd('wincmd p')
    end
    vim.cmd.edit(vim.fn.fnameescape(target.filename))
  end
  api.nvim_win_set_cursor(0, { math.min(target.lnum, api.nvim_buf_line_count(0)), 0 })
  M.hint()
end

--- The hunk's new lines in a window of their own: writing it puts them in place of the hunk's, accepted.
function M.amend()
  local row = api.nvim_win_get_cursor(0)[1]
  local entry = at(row, row)[1]
  if not entry then
    return vim.notify('Lanebridge: no hunk waits here')
  end
  local change, hunk = entry.one.change, entry.one.hunk
  local filetype = vim.bo.filetype
  vim.cmd('botright new')
  local buf = api.nvim_get_current_buf()
  api.nvim_buf_set_lines(buf, 0, -1, false, hunk.new)
  vim.bo[buf].buftype, vim.bo[buf].bufhidden = 'acwrite', 'wipe'
  vim.bo[buf].filetype = filetype
  api.nvim_buf_set_name(buf, ('lanebridge://amend/%s/%d'):format(change.path, hunk.index))
  vim.bo[buf].modified = false
  api.nvim_create_autocmd('BufWriteCmd', {
    buffer = buf,
    callback = function()
      local text = table.concat(api.nvim_buf_get_lines(buf, 0, -1, false), '\n')
      client.request('lanebridge/changes/amend', {
        threadId = change.threadId,
        turnId = change.turnId,
        path = change.path,
        hunk = hunk.index,
        text = text,
      }, function()
        M.read(change.threadId)
        if api.nvim_buf_is_valid(buf) then
          api.nvim_buf_delete(buf, { force = true })
        end
      end)
    end,
  })
end

--- The file as it was without its hunks, beside it, in Neovim's own diff mode.
function M.diff()
  local bufnr = api.nvim_get_current_buf()
  local list = M.here()
  if #list == 0 then
    return vim.notify('Lanebridge: no hunk waits in this file')
  end
  local other = api.nvim_buf_get_lines(bufnr, 0, -1, false)
  for i = #list, 1, -1 do
    local hunk, applied = list[i].one.hunk, list[i].one.change.applied
    local from = list[i].first
    local here, there = applied and hunk.new or hunk.old, applied and hunk.old or hunk.new
    for _ = 1, #here do
      table.remove(other, from + 1)
    end
    for k = #there, 1, -1 do
      table.insert(other, from + 1, there[k])
    end
  end
  local applied = list[1].one.change.applied
  local filetype = vim.bo.filetype
  vim.cmd('diffthis')
  vim.cmd('leftabove vnew')
  local buf = api.nvim_get_current_buf()
  api.nvim_buf_set_lines(buf, 0, -1, false, other)
  vim.bo[buf].buftype, vim.bo[buf].bufhidden, vim.bo[buf].modifiable = 'nofile', 'wipe', false
  vim.bo[buf].filetype = filetype
  pcall(api.nvim_buf_set_name, buf, ('lanebridge://%s/%d'):format(applied and 'before' or 'proposed', bufnr))
  vim.cmd('diffthis')
  vim.cmd('wincmd p')
end

local group = api.nvim_create_augroup('lanebridge_hunks', { clear = true })
api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile' }, {
  group = group,
  callback = function(args)
    if next(M.pending) and client.is_file(args.buf) then
      vim.schedule(function()
        if api.nvim_buf_is_loaded(args.buf) then
          draw(args.buf)
        end
      end)
    end
  end,
})
api.nvim_create_autocmd({ 'CursorMoved', 'BufEnter' }, {
  group = group,
  callback = function(args)
    if placed[args.buf] then
      M.hint()
    end
  end,
})
api.nvim_create_autocmd('BufUnload', {
  group = group,
  callback = function(args)
    placed[args.buf] = nil
  end,
})

require('lanebridge.state').listen(function(event)
  if event == 'server' and not require('lanebridge.state').running then
    M.pending, reading = {}, {}
    draw_all()
  end
end)

return M
