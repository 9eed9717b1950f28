-- A thread as the lines of a buffer: blocks, one an item, of which only what differs is written. Below them
-- stands the prompt, which is the person's.
local config = require('lanebridge.config')
local Lines = require('lanebridge.lines')
local render = require('lanebridge.render')

local api = vim.api
local rule = api.nvim_create_namespace('lanebridge_prompt')

---@class lanebridge.View: lanebridge.Lines
---@field thread lanebridge.Thread
---@field writing boolean
---@field dirty table<string, boolean> blocks to be drawn anew
---@field held? string a prompt that waits until the folder is trusted
local View = setmetatable({}, { __index = Lines })
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

--- The rule between conversation and prompt; it cannot be deleted, because it is no text.
function View:mark_prompt()
  local width = 30
  local win = vim.fn.bufwinid(self.buf)
  if win ~= -1 then
    width = api.nvim_win_get_width(win)
  end
  local left, right = require('lanebridge.status').rule(self.thread)
  if vim.fn.strdisplaywidth(left) + vim.fn.strdisplaywidth(right) > width - 4 then
    right = ''
  end
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
    lines, hl = render.turn_end(block.turn, self.thread)
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

--- The same after all text of the buffer has gone.
function View:redo()
  self.height, self.prompt_mark, self.rule_key = 0, nil, nil
  self:rebuild()
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
