-- A thread as the lines of a buffer: blocks, one an item, of which only what differs is written. Below them
-- stands the prompt, which is the person's.
local render = require('lanebridge.render')
local config = require('lanebridge.config')

local api = vim.api
local marks = api.nvim_create_namespace('lanebridge_chat')
local rule = api.nvim_create_namespace('lanebridge_prompt')

---@class lanebridge.Block
---@field key string
---@field lines string[]
---@field start integer first line, from 0
---@field fold? integer index of the line a fold begins at; absent: nothing is folded
---@field folded? boolean the fold has been made
---@field marks? table[] {line, from, to, group}
---@field item? lanebridge.Item
---@field turn? lanebridge.Turn

---@class lanebridge.View
---@field buf integer
---@field thread lanebridge.Thread
---@field blocks lanebridge.Block[]
---@field by_key table<string, lanebridge.Block>
---@field height integer lines of all blocks
---@field writing boolean
---@field dirty table<string, boolean> blocks to be drawn anew
---@field held? string a prompt that waits until the folder is trusted
local View = {}
View.__index = View

local FLUSH_MS = 30

---@param buf integer
---@param thread lanebridge.Thread
---@return lanebridge.View
local function new(buf, thread)
  return setmetatable({
    buf = buf,
    thread = thread,
    blocks = {},
    by_key = {},
    height = 0,
    writing = false,
    dirty = {},
    appended = {},
  }, View)
end

local function same(a, b)
  if #a ~= #b then
    return false
  end
  for i = 1, #a do
    if a[i] ~= b[i] then
      return false
    end
  end
  return true
end

--- Our own writing is no step of the undo tree: `u` is for the prompt.
---@param fn fun()
function View:write(fn)
  local options = vim.bo[self.buf]
  local levels, modifiable = options.undolevels, options.modifiable
  options.undolevels, options.modifiable = -1, true
  self.writing = true
  local ok, err = pcall(fn)
  self.writing = false
  options.undolevels, options.modifiable, options.modified = levels, modifiable, false
  self:mark_prompt()
  if not ok then
    error(err, 0)
  end
  for _, win in ipairs(self:windows()) do
    self:fill(win)
  end
end

--- A window whose cursor is in the prompt shows as much of the conversation as it has room for: what was
--- folded, or taken away, leaves no empty lines below.
---@param win integer
function View:fill(win)
  local top = vim.fn.line('w0', win) - 1
  if top < 1 or api.nvim_win_get_cursor(win)[1] <= self.height then
    return
  end
  local room = api.nvim_win_get_height(win) - (vim.wo[win].winbar ~= '' and 1 or 0)
  local function height_from(row)
    return api.nvim_win_text_height(win, { start_row = row }).all
  end
  if height_from(top) >= room then
    return
  end
  local low, high = math.max(0, top - room), top
  while low < high do
    local middle = math.floor((low + high) / 2)
    if height_from(middle) <= room then
      high = middle
    else
      low = middle + 1
    end
  end
  if high < top then
    api.nvim_win_call(win, function()
      vim.fn.winrestview({ topline = high + 1 })
    end)
  end
end

-- Lines inserted before the first line of a fold are taken into it by Neovim 0.12, unless they are appended to the
-- line before. By that Neovim 0.10 loses the fold.
local appends = vim.fn.has('nvim-0.11') == 1

--- As nvim_buf_set_lines. Lines are replaced one for one, then others are inserted or deleted: where that is
--- one step, Neovim 0.10 moves a fold around them to the lines below.
---@param from integer
---@param to integer
---@param lines string[]
function View:set_lines(from, to, lines)
  to = to < 0 and api.nvim_buf_line_count(self.buf) or to
  local common = math.min(to - from, #lines)
  if common > 0 then
    api.nvim_buf_set_lines(self.buf, from, from + common, false, vim.list_slice(lines, 1, common))
  end
  local at, rest = from + common, vim.list_slice(lines, common + 1)
  if #rest > 0 and at > 0 and appends then
    vim.fn.appendbufline(self.buf, at, rest)
  elseif #rest > 0 or to > at then
    api.nvim_buf_set_lines(self.buf, at, to, false, rest)
  end
end

--- The rule between conversation and prompt; it cannot be deleted, because it is no text.
function View:mark_prompt()
  local width = 30
  local win = vim.fn.bufwinid(self.buf)
  if win ~= -1 then
    width = api.nvim_win_get_width(win)
  end
  local left, right = require('lanebridge.status').rule(self.thread)
  local fill = math.max(width - vim.fn.strdisplaywidth(left) - vim.fn.strdisplaywidth(right) - 2, 2)
  local key = left .. fill .. right .. self.height
  local empty = api.nvim_buf_line_count(self.buf) == self.height + 1
    and api.nvim_buf_get_lines(self.buf, self.height, self.height + 1, false)[1] == ''
  if key == self.rule_key and empty == self.rule_empty then
    return
  end
  self.rule_key, self.rule_empty = key, empty
  self.prompt_mark = api.nvim_buf_set_extmark(self.buf, rule, self.height, 0, {
    id = self.prompt_mark,
    right_gravity = false,
    virt_lines_above = true,
    virt_lines = {
      {
        { left, 'LanebridgeRule' },
        { ('─'):rep(fill), 'LanebridgeRule' },
        { right .. '─', 'LanebridgeRule' },
      },
    },
    virt_text = empty and { { 'Ask. @ adds files, / your prompts, g? help', 'LanebridgeHint' } } or nil,
    virt_text_pos = 'overlay',
  })
end

function View:windows()
  return vim.fn.win_findbuf(self.buf)
end

---@param win integer
---@param block lanebridge.Block
local function fold_in(win, block)
  local first, last = block.start + block.fold, block.start + #block.lines
  api.nvim_win_call(win, function()
    if vim.wo.foldmethod == 'manual' and vim.fn.foldlevel(first) == 0 then
      vim.cmd(('%d,%dfold'):format(first, last))
    end
  end)
end

---@param block lanebridge.Block
function View:make_fold(block)
  if not block.fold or #block.lines <= block.fold then
    return
  end
  for _, win in ipairs(self:windows()) do
    fold_in(win, block)
  end
end

--- Folds of a window that shows the buffer for the first time.
---@param win integer
function View:fold_window(win)
  for _, block in ipairs(self.blocks) do
    if block.fold and #block.lines > block.fold then
      fold_in(win, block)
    end
  end
end

---@param block lanebridge.Block
function View:decorate(block)
  api.nvim_buf_clear_namespace(self.buf, marks, block.start, block.start + #block.lines)
  for _, mark in ipairs(block.marks or {}) do
    local row = block.start + mark[1]
    if mark.line then
      api.nvim_buf_set_extmark(self.buf, marks, row, 0, { line_hl_group = mark.line })
    else
      api.nvim_buf_set_extmark(self.buf, marks, row, mark[2], {
        end_col = mark[3],
        hl_group = mark[4],
        strict = false,
      })
    end
  end
end

--- Writes what differs between a block's lines and the new ones.
---@param index integer
---@param lines string[]
function View:replace(index, lines)
  local block = self.blocks[index]
  local old = block.lines
  if block.folded and #lines > block.fold then
    return self:replace_folded(index, lines)
  end
  local head = 0
  while head < #old and head < #lines and old[head + 1] == lines[head + 1] do
    head = head + 1
  end
  local tail = 0
  while tail < #old - head and tail < #lines - head and old[#old - tail] == lines[#lines - tail] do
    tail = tail + 1
  end
  if head < #old or head < #lines then
    self:set_lines(block.start + head, block.start + #old - tail, vim.list_slice(lines, head + 1, #lines - tail))
  end
  self:resize(index, #lines - #old)
  block.lines = lines
end

--- Replacing whole lines would take their fold away: its first and last line are changed within, what is
--- between them is replaced.
---@param index integer
---@param lines string[]
function View:replace_folded(index, lines)
  local block = self.blocks[index]
  local old, fold = block.lines, block.fold
  local function change(from, to)
    local row = block.start + from - 1
    if old[from] ~= lines[to] then
      api.nvim_buf_set_text(self.buf, row, 0, row, #old[from], { lines[to] })
    end
  end
  for i = 1, fold do
    change(i, i)
  end
  change(#old, #lines)
  local head = fold
  while head < #old - 1 and head < #lines - 1 and old[head + 1] == lines[head + 1] do
    head = head + 1
  end
  local tail = 1
  while tail < #old - head and tail < #lines - head and old[#old - tail] == lines[#lines - tail] do
    tail = tail + 1
  end
  if head + tail < #old or head + tail < #lines then
    self:set_lines(block.start + head, block.start + #old - tail, vim.list_slice(lines, head + 1, #lines - tail))
  end
  self:resize(index, #lines - #old)
  block.lines = lines
end

---@param index integer
---@param by integer
function View:resize(index, by)
  if by == 0 then
    return
  end
  self.height = self.height + by
  for i = index + 1, #self.blocks do
    self.blocks[i].start = self.blocks[i].start + by
  end
end

function View:index_of(block)
  for i = #self.blocks, 1, -1 do
    if self.blocks[i] == block then
      return i
    end
  end
end

---@param index integer where it shall stand
---@param block lanebridge.Block
function View:insert(index, block)
  local before = self.blocks[index - 1]
  block.start = before and before.start + #before.lines or 0
  local lines = block.lines
  block.lines = {}
  table.insert(self.blocks, index, block)
  self.by_key[block.key] = block
  if #lines > 0 then
    self:set_lines(block.start, block.start, lines)
    block.lines = lines
    self:resize(index, #lines)
  end
end

---@param block lanebridge.Block
function View:remove(block)
  local index = self:index_of(block)
  if not index then
    return
  end
  self:set_lines(block.start, block.start + #block.lines, {})
  self:resize(index, -#block.lines)
  table.remove(self.blocks, index)
  self.by_key[block.key] = nil
end

---@param turn lanebridge.Turn
---@return integer index of the turn's last block, which tells how it ended
function View:turn_end(turn)
  local block = self.by_key['end:' .. turn.id]
  if not block then
    block = { key = 'end:' .. turn.id, lines = {}, start = 0, turn = turn }
    self:insert(#self.blocks + 1, block)
  end
  return assert(self:index_of(block))
end

local function item_key(turn, item)
  return ('item:%s:%s:%s'):format(turn.id, item.id, item.type)
end

--- Draws a block anew from what is known by now.
---@param block lanebridge.Block
function View:draw(block)
  local index = self:index_of(block)
  if not index then
    return
  end
  local before = self.blocks[index - 1]
  local lines, fold, hl
  if block.item then
    lines, fold, hl = render.item(block.item, before and before.fold ~= nil, config.options.chat.output_lines)
  elseif block.turn then
    lines, hl = render.turn_end(block.turn)
  else
    lines, hl = render.head(self.thread)
  end
  local same_marks = vim.deep_equal(hl, block.marks)
  local same_lines = same(lines, block.lines)
  if same_lines and same_marks and block.drawn then
    return
  end
  self:replace(index, lines)
  block.fold, block.marks, block.drawn = fold, hl, true
  self:decorate(block)
  local foldable = fold ~= nil and #lines > fold
  if foldable and not block.folded then
    self:make_fold(block)
  end
  block.folded = foldable
end

---@param turn lanebridge.Turn
---@param item lanebridge.Item
---@return lanebridge.Block
function View:block_of(turn, item)
  local key = item_key(turn, item)
  local block = self.by_key[key]
  if not block then
    block = { key = key, lines = {}, start = 0, item = item, turn = turn }
    self:insert(self:turn_end(turn), block)
  end
  return block
end

--- All of the thread, from nothing; the prompt stays as it is.
function View:rebuild()
  self:write(function()
    local prompt = self:prompt_row()
    self.blocks, self.by_key, self.height, self.dirty, self.appended = {}, {}, 0, {}, {}
    self:set_lines(0, prompt, {})
    if api.nvim_buf_line_count(self.buf) == 0 then
      self:set_lines(0, -1, { '' })
    end
    self:insert(1, { key = 'head', lines = {}, start = 0 })
    self:draw(self.by_key.head)
    for _, turn in ipairs(self.thread.turns) do
      local last = self:turn_end(turn)
      for _, item in ipairs(turn.items) do
        self:draw(self:block_of(turn, item))
      end
      self:draw(self.blocks[self:index_of(self.by_key['end:' .. turn.id]) or last])
    end
  end)
end

--- First line of the prompt, from 0.
function View:prompt_row()
  if self.prompt_mark then
    local at = api.nvim_buf_get_extmark_by_id(self.buf, rule, self.prompt_mark, {})
    if at[1] then
      return at[1]
    end
  end
  return self.height
end

---@return string
function View:prompt()
  return vim.trim(table.concat(api.nvim_buf_get_lines(self.buf, self.height, -1, false), '\n'))
end

---@param text string
function View:set_prompt(text)
  local options = vim.bo[self.buf]
  local modifiable = options.modifiable
  options.modifiable = true
  self.writing = true
  self:set_lines(self.height, -1, vim.split(text, '\n'))
  self.writing = false
  options.modifiable, options.modified = modifiable, false
  self:mark_prompt()
end

--- Marks a block to be drawn with the next flush.
---@param key string
function View:touch(key)
  self.dirty[key] = true
  self:flush_soon()
end

---@param turn lanebridge.Turn
---@param item lanebridge.Item
---@param delta string
function View:append(turn, item, delta)
  local key = item_key(turn, item)
  local pending = self.appended[key]
  if pending then
    pending.text[#pending.text + 1] = delta
  else
    self.appended[key] = { turn = turn, item = item, text = { delta } }
  end
  self:flush_soon()
end

function View:flush_soon()
  if self.timer then
    return
  end
  local wait = math.max(0, (self.flushed or 0) + FLUSH_MS - vim.uv.now())
  self.timer = vim.defer_fn(function()
    self.timer = nil
    if api.nvim_buf_is_loaded(self.buf) then
      self:flush()
    end
  end, wait)
end

--- Streams text to the end of a message: the lines before it are not looked at again.
function View:stream(pending)
  local item, text = pending.item, table.concat(pending.text)
  local block = self:block_of(pending.turn, item)
  if item.type == 'agentMessage' then
    -- As pieces: an answer may come in ten thousand of them.
    item.pieces = item.pieces or {}
    table.insert(item.pieces, text)
  else
    item.live = (item.live or '') .. text
    item.live = #item.live > 65536 and item.live:sub(-49152) or item.live
  end
  if item.type ~= 'agentMessage' or not block.drawn then
    return self:draw(block)
  end
  local index = assert(self:index_of(block))
  local pieces = vim.split(text:gsub('\r', ''), '\n', { plain = true })
  local last = block.lines[#block.lines]
  local row = block.start + #block.lines - 1
  api.nvim_buf_set_text(self.buf, row, #last, row, #last, pieces)
  block.lines[#block.lines] = last .. pieces[1]
  for i = 2, #pieces do
    block.lines[#block.lines + 1] = pieces[i]
  end
  self:resize(index, #pieces - 1)
end

function View:flush()
  -- A menu of completions would be closed by writing above it.
  if vim.fn.pumvisible() == 1 and api.nvim_get_current_buf() == self.buf then
    self.flushed = vim.uv.now()
    return self:flush_soon()
  end
  local appended, dirty = self.appended, self.dirty
  if not next(appended) and not next(dirty) then
    return
  end
  self.appended, self.dirty = {}, {}
  self:write(function()
    for key, pending in pairs(appended) do
      if not pending.item.done then
        self:stream(pending)
      else
        dirty[key] = true
      end
    end
    for key in pairs(dirty) do
      local block = self.by_key[key]
      if block then
        self:draw(block)
      end
    end
  end)
  self.flushed = vim.uv.now()
end

--- Somebody changed what is not the prompt: it is written again.
function View:repair()
  if self.repairing then
    return
  end
  self.repairing = true
  vim.schedule(function()
    self.repairing = nil
    if api.nvim_buf_is_loaded(self.buf) then
      self:rebuild()
    end
  end)
end

return { new = new, item_key = item_key, View = View }
