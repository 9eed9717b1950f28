-- Hunks where they are seen: their lines coloured, the old ones above, signs, and the keys beside the one at the cursor.
local client = require('lanebridge.client')

local api = vim.api
local space = api.nvim_create_namespace('lanebridge_hunks')
local hint_space = api.nvim_create_namespace('lanebridge_hunk_hint')

local M = {}

---@class lanebridge.Placed
---@field mark integer extmark that covers its lines
---@field change table
---@field hunk table

local placed = {} ---@type table<integer, lanebridge.Placed[]>

require('lanebridge.highlight').set()

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
function M.draw(bufnr)
  api.nvim_buf_clear_namespace(bufnr, space, 0, -1)
  api.nvim_buf_clear_namespace(bufnr, hint_space, 0, -1)
  placed[bufnr] = {}
  local name = api.nvim_buf_get_name(bufnr)
  for _, changes in pairs(require('lanebridge.hunks').pending) do
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
function M.at(first, last)
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

local group = api.nvim_create_augroup('lanebridge_hunks', { clear = true })
api.nvim_create_autocmd({ 'BufReadPost', 'BufNewFile' }, {
  group = group,
  callback = function(args)
    if next(require('lanebridge.hunks').pending) and client.is_file(args.buf) then
      vim.schedule(function()
        if api.nvim_buf_is_loaded(args.buf) then
          M.draw(args.buf)
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

return M
