-- Blocks of lines in a buffer, one below the other: of what is written anew only that which differs, and folds that
-- stay as they are while lines come and go around them.
local api = vim.api
local marks = api.nvim_create_namespace('lanebridge_chat')

---@class lanebridge.Block
---@field key string
---@field lines string[]
---@field start integer first line, from 0
---@field fold? integer index of the line a fold begins at; absent: nothing is folded
---@field folded? boolean the fold has been made
---@field marks? table[] {line, from, to, group}
---@field item? lanebridge.Item
---@field turn? lanebridge.Turn

---@class lanebridge.Lines
---@field buf integer
---@field blocks lanebridge.Block[]
---@field by_key table<string, lanebridge.Block>
---@field height integer lines of all blocks
local Lines = {}

function Lines:windows()
  return vim.fn.win_findbuf(self.buf)
end

-- Lines inserted before the first line of a fold are taken into it by Neovim 0.12, unless they are appended to the
-- line before. By that Neovim 0.10 loses the fold.
local appends = vim.fn.has('nvim-0.11') == 1

--- As nvim_buf_set_lines. Lines are replaced one for one, then others are inserted or deleted: where that is
--- one step, Neovim 0.10 moves a fold around them to the lines below.
---@param from integer
---@param to integer
---@param lines string[]
function Lines:set_lines(from, to, lines)
  to = to < 0 and api.nvim_buf_line_count(self.buf) or to
  local common = math.min(to - from, #lines)
  if common > 0 then
    api.nvim_buf_set_lines(self.buf, from, from + common, false, vim.list_slice(lines, 1, common))
  end
  local at, rest = from + common, vim.list_slice(lines, common + 1)
  -- In Insert mode a single new line goes into the fold above it: two are written, and one is taken away.
  local single = #rest == 1
  if single then
    rest[2] = ''
  end
  if #rest > 0 and at > 0 and appends then
    vim.fn.appendbufline(self.buf, at, rest)
  elseif #rest > 0 or to > at then
    api.nvim_buf_set_lines(self.buf, at, to, false, rest)
  end
  if single then
    api.nvim_buf_set_lines(self.buf, at + 1, at + 2, false, {})
  end
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
function Lines:make_fold(block)
  if not block.fold or #block.lines <= block.fold then
    return
  end
  for _, win in ipairs(self:windows()) do
    fold_in(win, block)
  end
end

--- Folds of a window that shows the buffer for the first time.
---@param win integer
function Lines:fold_window(win)
  for _, block in ipairs(self.blocks) do
    if block.fold and #block.lines > block.fold then
      fold_in(win, block)
    end
  end
end

---@param block lanebridge.Block
function Lines:decorate(block)
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
function Lines:replace(index, lines)
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
function Lines:replace_folded(index, lines)
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
function Lines:resize(index, by)
  if by == 0 then
    return
  end
  self.height = self.height + by
  for i = index + 1, #self.blocks do
    self.blocks[i].start = self.blocks[i].start + by
  end
end

function Lines:index_of(block)
  for i = #self.blocks, 1, -1 do
    if self.blocks[i] == block then
      return i
    end
  end
end

---@param index integer where it shall stand
---@param block lanebridge.Block
function Lines:insert(index, block)
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
function Lines:remove(block)
  local index = self:index_of(block)
  if not index then
    return
  end
  self:set_lines(block.start, block.start + #block.lines, {})
  self:resize(index, -#block.lines)
  table.remove(self.blocks, index)
  self.by_key[block.key] = nil
end

return Lines
