-- Inline completion. Neovim 0.12 has it: `vim.lsp.inline_completion`. Below, our own: grey text at the cursor,
-- asked for after a moment of rest, thrown away when anything else happens.
local client = require('lanebridge.client')
local config = require('lanebridge.config')
local util = require('lanebridge.util')

local api = vim.api
local space = api.nvim_create_namespace('lanebridge_suggestion')

local M = { on = false }

local built_in = vim.lsp.inline_completion ~= nil

local shown ---@type {buf: integer, row: integer, col: integer, text: string}?
local timer ---@type uv.uv_timer_t?
local request ---@type integer?

local function hide()
  if shown and api.nvim_buf_is_valid(shown.buf) then
    api.nvim_buf_clear_namespace(shown.buf, space, 0, -1)
  end
  shown = nil
end

local function show(buf, row, col, text)
  hide()
  local lines = vim.split(text, '\n')
  local below = {}
  for i = 2, #lines do
    below[#below + 1] = { { lines[i], 'LanebridgeSuggestion' } }
  end
  api.nvim_buf_set_extmark(buf, space, row, col, {
    virt_text = { { lines[1], 'LanebridgeSuggestion' } },
    virt_text_pos = 'inline',
    virt_lines = #below > 0 and below or nil,
  })
  shown = { buf = buf, row = row, col = col, text = text }
end

local function at_cursor()
  local at = api.nvim_win_get_cursor(0)
  return api.nvim_get_current_buf(), at[1] - 1, at[2]
end

---@param kind integer 1: invoked, 2: automatic
local function ask(kind)
  local running = client.get()
  local buf, row, col = at_cursor()
  if not running or not running.attached_buffers[buf] or not api.nvim_get_mode().mode:match('^i') then
    return
  end
  if request then
    client.cancel(running, request)
  end
  local line = api.nvim_get_current_line()
  local tick = api.nvim_buf_get_changedtick(buf)
  local _, id = client.send(running, 'textDocument/inlineCompletion', {
    textDocument = { uri = vim.uri_from_bufnr(buf) },
    position = { line = row, character = util.units(line:sub(1, col), running.offset_encoding) },
    context = { triggerKind = kind },
  }, function(err, result)
    request = nil
    local now_buf, now_row, now_col = at_cursor()
    local still = now_buf == buf and now_row == row and now_col == col
    if err or not still or api.nvim_buf_get_changedtick(buf) ~= tick then
      return
    end
    local item = result and (result.items or result)[1]
    local text = item and (type(item.insertText) == 'table' and item.insertText.value or item.insertText)
    if text and text ~= '' then
      show(buf, row, col, text)
    end
  end, buf)
  request = id
end

local function stop_timer()
  if timer then
    timer:stop()
  end
end

--- What was suggested and is now typed stays; everything else is asked anew.
local function moved()
  local buf, row, col = at_cursor()
  if shown and buf == shown.buf and row == shown.row and col > shown.col then
    local typed = api.nvim_get_current_line():sub(shown.col + 1, col)
    if vim.startswith(shown.text, typed) and #typed < #shown.text then
      return show(buf, row, col, shown.text:sub(#typed + 1))
    end
  end
  hide()
  if not client.is_file(buf) then
    return
  end
  timer = timer or assert(vim.uv.new_timer())
  timer:stop()
  timer:start(
    config.options.suggest.debounce,
    0,
    vim.schedule_wrap(function()
      ask(2)
    end)
  )
end

local function own(on)
  local group = api.nvim_create_augroup('lanebridge_suggest', { clear = true })
  hide()
  if not on then
    return stop_timer()
  end
  require('lanebridge.highlight').set()
  api.nvim_create_autocmd('TextChangedI', { group = group, callback = moved })
  api.nvim_create_autocmd('CursorMovedI', {
    group = group,
    callback = function()
      local _, row, col = at_cursor()
      if shown and (row ~= shown.row or col < shown.col) then
        hide()
      end
    end,
  })
  api.nvim_create_autocmd({ 'InsertLeave', 'BufLeave', 'CompleteChanged' }, {
    group = group,
    callback = function()
      stop_timer()
      hide()
    end,
  })
end

--- Switches it on or off. The server is told too: without that it makes none.
---@param on boolean
function M.enable(on)
  M.on = on
  if built_in then
    vim.lsp.inline_completion.enable(on)
  else
    own(on)
  end
  local running = client.get()
  if running then
    local settings = vim.tbl_deep_extend('force', config.options.settings, { inlineCompletion = { enabled = on } })
    running.settings = vim.tbl_deep_extend('force', running.settings or {}, { lanebridge = settings })
    client.notify(running, 'workspace/didChangeConfiguration', { settings = running.settings })
  end
end

--- Asks now, without waiting.
function M.trigger()
  if built_in then
    return api.nvim_exec_autocmds('CursorMovedI', { buffer = 0, modeline = false })
  end
  ask(1)
end

local function insert(text)
  local buf, row, col = at_cursor()
  local lines = vim.split(text, '\n')
  api.nvim_buf_set_text(buf, row, col, row, col, lines)
  local last = lines[#lines]
  api.nvim_win_set_cursor(0, { row + #lines, #lines == 1 and col + #last or #last })
end

--- First word of a text, with the blanks before it; or its first line.
local function part_of(text, part)
  if part == 'word' then
    return text:match('^%s*[%w_]+') or text:match('^%s*[^%w_%s]+') or text
  elseif part == 'line' then
    return text:match('^\n?[^\n]+') or text
  end
  return text
end

local function accept_own(part)
  if not shown then
    return false
  end
  local text = part_of(shown.text, part)
  local rest = shown.text:sub(#text + 1)
  hide()
  insert(text)
  if rest ~= '' then
    local buf, row, col = at_cursor()
    show(buf, row, col, rest)
  end
  return true
end

local function accept_built_in(part)
  if not part then
    return vim.lsp.inline_completion.get()
  end
  return vim.lsp.inline_completion.get({
    on_accept = function(item)
      local text = type(item.insert_text) == 'table' and item.insert_text.value or item.insert_text
      if item.range then
        -- What stands there already is part of the text.
        local _, row, col = at_cursor()
        local from_row, from_col = item.range:to_extmark()
        if from_row == row then
          text = text:sub(col - from_col + 1)
        end
      end
      vim.schedule(function()
        insert(part_of(text, part))
      end)
    end,
  })
end

--- Takes the suggestion, or its first word or line. False: there is none.
---@param part? 'word'|'line'
---@return boolean
function M.accept(part)
  if built_in then
    return accept_built_in(part)
  end
  return accept_own(part)
end

--- Is there one? For maps of your own.
function M.visible()
  if not built_in then
    return shown ~= nil
  end
  local found = api.nvim_get_namespaces()['nvim.lsp.inline_completion']
  return found ~= nil and #api.nvim_buf_get_extmarks(0, found, 0, -1, { limit = 1 }) > 0
end

return M
