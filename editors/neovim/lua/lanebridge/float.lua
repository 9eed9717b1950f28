-- Floats: a choice among a few answers, a line of input, and a badge that cannot be entered.
local util = require('lanebridge.util')

local api = vim.api
local space = api.nvim_create_namespace('lanebridge_float')

local M = {}

---@class lanebridge.Choice
---@field label string
---@field key? string one key that takes it
---@field value any

---@class lanebridge.Chooser
---@field title string
---@field body string[]
---@field filetype? string of the body
---@field first? integer where the cursor stands
---@field choices lanebridge.Choice[]
---@field dead_time? integer
---@field on_choice fun(value: any)
---@field on_close? fun()

local function geometry(lines)
  local width = 40
  for _, line in ipairs(lines) do
    width = math.max(width, vim.fn.strdisplaywidth(line) + 2)
  end
  width = math.min(width, math.max(40, vim.o.columns - 8), 110)
  local height = 0
  for _, line in ipairs(lines) do
    height = height + math.max(1, math.ceil((vim.fn.strdisplaywidth(line) + 1) / width))
  end
  height = math.min(height, math.max(6, vim.o.lines - 6))
  return {
    relative = 'editor',
    width = width,
    height = height,
    row = math.max(0, math.floor((vim.o.lines - height) / 2) - 2),
    col = math.max(0, math.floor((vim.o.columns - width) / 2)),
    style = 'minimal',
    border = 'rounded',
  }
end

--- Back to where one was, with the window that <C-w>p goes to.
---@return fun()
local function way_back()
  local before, previous = api.nvim_get_current_win(), vim.fn.win_getid(vim.fn.winnr('#'))
  return function()
    if not api.nvim_win_is_valid(before) then
      return
    end
    if previous ~= before and api.nvim_win_is_valid(previous) then
      vim.cmd(('noautocmd call nvim_set_current_win(%d)'):format(previous))
    end
    pcall(api.nvim_set_current_win, before)
  end
end

local function scratch(lines)
  local buf = api.nvim_create_buf(false, true)
  vim.bo[buf].bufhidden = 'wipe'
  api.nvim_buf_set_lines(buf, 0, -1, false, lines)
  return buf
end

--- Keys that were meant for something else must not answer: for `dead_time` nothing does, and each key
--- that comes meanwhile begins that time anew.
local function dead_time(ms)
  local ready_at = vim.uv.now() + ms
  local key_space = api.nvim_create_namespace('')
  vim.on_key(function()
    vim.uv.update_time()
    local now = vim.uv.now()
    if now < ready_at then
      ready_at = now + ms
    end
  end, key_space)
  return {
    over = function()
      vim.uv.update_time()
      return vim.uv.now() >= ready_at
    end,
    stop = function()
      vim.on_key(nil, key_space)
    end,
  }
end

---@param wanted lanebridge.Chooser
---@return {close: fun(), win: integer, buf: integer}
function M.choose(wanted)
  local go_back = way_back()
  local lines, rows = vim.list_extend({}, wanted.body), {}
  lines[#lines + 1] = ''
  for i, choice in ipairs(wanted.choices) do
    lines[#lines + 1] = ('  %s  %s'):format(choice.key or ' ', util.clip(choice.label, 300))
    rows[#lines] = i
  end
  local buf = scratch(lines)
  pcall(api.nvim_buf_set_name, buf, 'lanebridge://question/' .. buf)
  vim.bo[buf].modifiable = false
  local keys = '<CR> chooses the line, q later'
  local win = api.nvim_open_win(
    buf,
    true,
    vim.tbl_extend('force', geometry(lines), {
      title = ' ' .. wanted.title .. ' ',
      title_pos = 'left',
      footer = ' ' .. keys .. ' ',
      footer_pos = 'right',
    })
  )
  if api.nvim_get_mode().mode:match('^[iR]') then
    vim.cmd('stopinsert')
  end
  vim.wo[win].wrap, vim.wo[win].linebreak = true, true
  vim.wo[win].breakindent, vim.wo[win].breakindentopt = true, 'shift:3'
  vim.wo[win].cursorline = true
  vim.wo[win].winhighlight = 'CursorLine:LanebridgeChoice,NormalFloat:LanebridgeFloat,FloatTitle:LanebridgeTitle'
  api.nvim_win_set_cursor(win, { #wanted.body + 1 + (wanted.first or 1), 2 })
  for row, i in pairs(rows) do
    if wanted.choices[i].key then
      api.nvim_buf_set_extmark(buf, space, row - 1, 2, { end_col = 3, hl_group = 'LanebridgeBadge' })
    end
  end
  local guard = dead_time(wanted.dead_time or 0)
  local closed = false
  local handle = { win = win, buf = buf }
  local function close()
    if closed then
      return
    end
    closed = true
    guard.stop()
    if api.nvim_win_is_valid(win) then
      api.nvim_win_close(win, true)
    end
    go_back()
  end
  handle.close = close
  local function take(i)
    if closed or not wanted.choices[i] or not guard.over() then
      return
    end
    close()
    wanted.on_choice(wanted.choices[i].value)
  end
  local function map(key, action)
    vim.keymap.set('n', key, action, { buffer = buf, nowait = true, silent = true })
  end
  for i, choice in ipairs(wanted.choices) do
    if choice.key then
      map(choice.key, function()
        take(i)
      end)
    end
  end
  map('<CR>', function()
    take(rows[api.nvim_win_get_cursor(win)[1]])
  end)
  local function later()
    close()
    if wanted.on_close then
      wanted.on_close()
    end
  end
  map('q', later)
  map('<Esc>', later)
  api.nvim_create_autocmd({ 'BufWipeout', 'WinClosed' }, {
    buffer = buf,
    once = true,
    callback = function()
      guard.stop()
      if not closed then
        closed = true
        if wanted.on_close then
          vim.schedule(wanted.on_close)
        end
      end
    end,
  })
  return handle
end

--- A line of input in a float: at the cursor, or in the middle.
---@param wanted {title: string, text?: string, at_cursor?: boolean, on_done: fun(text?: string)}
function M.input(wanted)
  local buf = scratch({ wanted.text or '' })
  local width = math.min(math.max(50, math.floor(vim.o.columns * 0.5)), vim.o.columns - 4)
  local place = {
    relative = wanted.at_cursor and 'cursor' or 'editor',
    row = wanted.at_cursor and 1 or math.floor(vim.o.lines / 2) - 2,
    col = wanted.at_cursor and 0 or math.floor((vim.o.columns - width) / 2),
    width = width,
    height = 1,
    style = 'minimal',
    border = 'rounded',
    title = ' ' .. wanted.title .. ' ',
    footer = ' <CR> sends, <Esc> twice leaves ',
    footer_pos = 'right',
  }
  local go_back = way_back()
  local win = api.nvim_open_win(buf, true, place)
  vim.wo[win].wrap = true
  vim.cmd('startinsert!')
  local done = false
  local function finish(text)
    if done then
      return
    end
    done = true
    vim.cmd('stopinsert')
    if api.nvim_win_is_valid(win) then
      api.nvim_win_close(win, true)
    end
    go_back()
    wanted.on_done(text)
  end
  local at = { buffer = buf, nowait = true, silent = true }
  vim.keymap.set({ 'i', 'n' }, '<CR>', function()
    local text = vim.trim(table.concat(api.nvim_buf_get_lines(buf, 0, -1, false), ' '))
    finish(text ~= '' and text or nil)
  end, at)
  vim.keymap.set('n', '<Esc>', function()
    finish(nil)
  end, at)
  vim.keymap.set({ 'i', 'n' }, '<C-c>', function()
    finish(nil)
  end, at)
  api.nvim_create_autocmd('BufLeave', {
    buffer = buf,
    once = true,
    callback = vim.schedule_wrap(function()
      finish(nil)
    end),
  })
  api.nvim_create_autocmd('TextChangedI', {
    buffer = buf,
    callback = function()
      local text = api.nvim_get_current_line()
      local height = math.max(1, math.ceil((vim.fn.strdisplaywidth(text) + 1) / width))
      api.nvim_win_set_height(win, math.min(height, 8))
    end,
  })
  return {
    win = win,
    buf = buf,
    close = function()
      wanted.on_done = function() end
      finish(nil)
    end,
  }
end

local badge = {} ---@type {win?: integer, buf?: integer, text?: string}

--- A line in the corner that takes neither focus nor keys; nil takes it away.
---@param text? string
function M.badge(text)
  if text == badge.text and (text == nil or (badge.win and api.nvim_win_is_valid(badge.win))) then
    return
  end
  badge.text = text
  if badge.win and api.nvim_win_is_valid(badge.win) then
    pcall(api.nvim_win_close, badge.win, true)
  end
  badge.win = nil
  if not text or vim.fn.getcmdwintype() ~= '' then
    return
  end
  text = ' ' .. util.clip(text, vim.o.columns - 6) .. ' '
  badge.buf = scratch({ text })
  local ok, win = pcall(api.nvim_open_win, badge.buf, false, {
    relative = 'editor',
    anchor = 'NE',
    row = vim.o.showtabline > 0 and #api.nvim_list_tabpages() > 1 and 1 or 0,
    col = vim.o.columns,
    width = vim.fn.strdisplaywidth(text),
    height = 1,
    style = 'minimal',
    focusable = false,
    noautocmd = true,
    zindex = 60,
  })
  if ok then
    badge.win = win
    vim.wo[win].winhighlight = 'NormalFloat:LanebridgeBadge'
    vim.wo[win].wrap = false
  end
end

return M
