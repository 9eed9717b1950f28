-- Going through hunks: one after the other, all in a list, written otherwise, or beside what was.
local client = require('lanebridge.client')
local hunks = require('lanebridge.hunks')
local paint = require('lanebridge.paint')
local thread = require('lanebridge.thread')
local util = require('lanebridge.util')

local api = vim.api

local M = {}

--- Every hunk as a quickfix entry, files that are not open included.
local function entries()
  local list = {}
  for _, changes in pairs(hunks.pending) do
    for _, change in ipairs(changes) do
      local path = vim.uri_to_fname(change.newUri or change.uri)
      local bufnr = require('lanebridge.edit').loaded(change.newUri or change.uri)
      for _, hunk in ipairs(change.hunks) do
        local row = (change.applied and hunk.newStart or hunk.oldStart) or 1
        if bufnr then
          for _, entry in ipairs(paint.here(bufnr)) do
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

--- Into a window that shows a file: a chat, a list or a float is not to be replaced by one.
local function to_file_window()
  if client.is_file(api.nvim_get_current_buf()) then
    return
  end
  local last = require('lanebridge.chat').file_beside()
  local found
  for _, win in ipairs(api.nvim_tabpage_list_wins(0)) do
    local buf = api.nvim_win_get_buf(win)
    if client.is_file(buf) and api.nvim_win_get_config(win).relative == '' and (not found or buf == last) then
      found = win
    end
  end
  if found then
    api.nvim_set_current_win(found)
  else
    vim.cmd('topleft vnew')
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
  to_file_window()
  if target.filename ~= api.nvim_buf_get_name(0) then
    vim.cmd.edit(vim.fn.fnameescape(target.filename))
  end
  api.nvim_win_set_cursor(0, { math.min(target.lnum, api.nvim_buf_line_count(0)), 0 })
  paint.hint()
end

--- The hunk's new lines in a window of their own: writing it puts them in place of the hunk's, accepted.
function M.amend()
  local row = api.nvim_win_get_cursor(0)[1]
  local entry = paint.at(row, row)[1]
  if not entry then
    return vim.notify('Lanebridge: no hunk waits here')
  end
  local change, hunk = entry.one.change, entry.one.hunk
  thread.edit_text({
    name = ('amend/%s/%d'):format(change.path, hunk.index),
    filetype = vim.bo.filetype,
    lines = hunk.new,
    on_write = function(lines, close)
      client.request('lanebridge/changes/amend', {
        threadId = change.threadId,
        turnId = change.turnId,
        path = change.path,
        hunk = hunk.index,
        text = table.concat(lines, '\n'),
      }, function()
        hunks.read(change.threadId)
        close()
      end)
    end,
  })
end

--- The file as it was without its hunks, beside it, in Neovim's own diff mode.
function M.diff()
  local bufnr = api.nvim_get_current_buf()
  local list = paint.here()
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

return M
