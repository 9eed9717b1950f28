-- The chat: a buffer a thread, its window, its keys. The text is view.lua's, the prompt at its end is yours.
local ask = require('lanebridge.ask')
local client = require('lanebridge.client')
local config = require('lanebridge.config')
local state = require('lanebridge.state')
local view = require('lanebridge.view')

local api = vim.api

local M = {
  views = {}, ---@type table<integer, lanebridge.View> by buffer
  last_file = nil, ---@type integer?
}

require('lanebridge.highlight').set()
require('lanebridge.status')
require('lanebridge.markdown').attach(M.views)

local group = api.nvim_create_augroup('lanebridge_chat', { clear = true })

local function remember_file(bufnr)
  if client.is_file(bufnr) then
    M.last_file = bufnr
  end
end
remember_file(api.nvim_get_current_buf())
api.nvim_create_autocmd('BufEnter', {
  group = group,
  callback = function(args)
    remember_file(args.buf)
  end,
})

--- The file that `@buffer` means: this one, or that used last.
---@param bufnr? integer
---@return integer?
function M.file_beside(bufnr)
  if bufnr and client.is_file(bufnr) then
    return bufnr
  end
  return M.last_file and api.nvim_buf_is_loaded(M.last_file) and M.last_file or nil
end

---@param id string
---@return lanebridge.View?
function M.view_of(id)
  for buf, one in pairs(M.views) do
    if one.thread.id == id and api.nvim_buf_is_loaded(buf) then
      return one
    end
  end
end

--- The view of the current buffer.
---@return lanebridge.View?
function M.here()
  return M.views[api.nvim_get_current_buf()]
end

---@param one lanebridge.View
---@param win integer
local function in_prompt(one, win)
  return api.nvim_win_get_cursor(win)[1] > one.height
end

local function set_modifiable(one)
  local win = api.nvim_get_current_win()
  local wanted = in_prompt(one, win)
  if vim.bo[one.buf].modifiable ~= wanted then
    vim.bo[one.buf].modifiable = wanted
  end
end

---@param one lanebridge.View
---@param win integer
function M.to_prompt(one, win)
  local last = api.nvim_buf_line_count(one.buf)
  local text = api.nvim_buf_get_lines(one.buf, last - 1, last, false)[1]
  api.nvim_win_set_cursor(win, { last, #text })
end

local function window_options(win)
  local options = {
    foldmethod = 'manual',
    foldenable = true,
    foldtext = '',
    foldcolumn = '0',
    wrap = true,
    linebreak = true,
    breakindent = true,
    number = false,
    relativenumber = false,
    signcolumn = 'no',
    list = false,
    spell = false,
    conceallevel = 2,
    concealcursor = 'nc',
    fillchars = 'fold: ,eob: ',
    winbar = "%{%v:lua.require'lanebridge.status'.winbar()%}",
    winhighlight = 'Folded:Normal',
    winfixwidth = true,
  }
  for name, value in pairs(options) do
    api.nvim_set_option_value(name, value, { win = win, scope = 'local' })
  end
end

local function buffer_options(buf)
  local options = vim.bo[buf]
  options.buftype = 'nofile'
  options.bufhidden = 'hide'
  options.swapfile = false
  options.textwidth = 0
  options.omnifunc = "v:lua.require'lanebridge.complete'.omnifunc"
  options.filetype = 'lanebridge'
end

---@param one lanebridge.View
local function watch(one)
  local buf = one.buf
  api.nvim_create_autocmd({ 'CursorMoved', 'CursorMovedI', 'BufEnter', 'InsertEnter' }, {
    group = group,
    buffer = buf,
    callback = function()
      set_modifiable(one)
    end,
  })
  api.nvim_create_autocmd('BufWinEnter', {
    group = group,
    buffer = buf,
    callback = function()
      local win = api.nvim_get_current_win()
      window_options(win)
      one:fold_window(win)
    end,
  })
  api.nvim_create_autocmd({ 'TextChanged', 'TextChangedI', 'WinResized' }, {
    group = group,
    buffer = buf,
    callback = function()
      one:mark_prompt()
    end,
  })
  api.nvim_create_autocmd('BufWipeout', {
    group = group,
    buffer = buf,
    callback = function()
      M.views[buf] = nil
    end,
  })
  api.nvim_buf_attach(buf, false, {
    on_lines = function(_, _, _, first)
      if not one.writing and first < one.height then
        one:repair()
      end
    end,
    on_reload = function() end, -- else it would be the last we hear
  })
end

--- Makes a buffer that of a thread; its history is read if it is not known.
---@param buf integer
---@param id string
---@param folder string
---@return lanebridge.View
local function adopt(buf, id, folder)
  local thread = state.thread(id)
  vim.b[buf].lanebridge_thread = id
  vim.b[buf].lanebridge_folder = folder
  buffer_options(buf)
  local one = view.new(buf, thread)
  M.views[buf] = one
  one:rebuild()
  watch(one)
  require('lanebridge.keys').chat(buf)
  require('lanebridge.complete').attach(buf)
  if not thread.loaded then
    thread.loaded = true
    M.read_history(one)
  end
  return one
end

--- The buffer of a thread.
---@param id string
---@param folder string
---@return lanebridge.View
function M.buffer(id, folder)
  local known = M.view_of(id)
  if known then
    return known
  end
  local buf = api.nvim_create_buf(true, true)
  api.nvim_buf_set_name(buf, 'lanebridge://chat/' .. id)
  return adopt(buf, id, folder)
end

--- Fills a buffer by its name: `:edit` in a chat, or one that a session brings back.
---@param buf integer
---@param name string
function M.read(buf, name)
  local known = M.views[buf]
  if known then
    if api.nvim_buf_line_count(buf) < known.height then
      buffer_options(buf)
      known:redo()
    end
    return
  end
  local id, folder = name:match('^lanebridge://chat/([%w_-]+)$'), ask.folder(buf)
  if id then
    local one = adopt(buf, id, folder)
    ask.current[folder] = ask.current[folder] or id
    for _, win in ipairs(one:windows()) do
      window_options(win)
    end
  end
end

---@param one lanebridge.View
function M.read_history(one)
  local function page(cursor, turns)
    client.request('lanebridge/thread/read', { threadId = one.thread.id, cursor = cursor }, function(result)
      vim.list_extend(turns, result.turns)
      if result.nextCursor then
        return page(result.nextCursor, turns)
      end
      result.turns = turns
      state.merge_history(result)
      one:rebuild()
      for _, win in ipairs(one:windows()) do
        one:fold_window(win)
        if api.nvim_get_current_win() ~= win then
          M.to_prompt(one, win)
        end
      end
    end)
  end
  page(nil, {})
end

---@param share number
---@param whole integer
local function size(share, whole)
  return math.max(20, math.floor(share <= 1 and share * whole or share))
end

---@return integer win
local function open_window(buf)
  local chat = config.options.chat
  if chat.position == 'here' then
    api.nvim_win_set_buf(0, buf)
  elseif chat.position == 'tab' then
    vim.cmd('tab sbuffer ' .. buf)
  elseif chat.position == 'bottom' then
    vim.cmd(('botright %dsplit'):format(math.max(8, size(chat.height, vim.o.lines))))
    api.nvim_win_set_buf(0, buf)
  else
    local side = chat.position == 'left' and 'topleft' or 'botright'
    vim.cmd(('%s vertical %dsplit'):format(side, size(chat.width, vim.o.columns)))
    api.nvim_win_set_buf(0, buf)
  end
  return api.nvim_get_current_win()
end

--- Any window of this tab page that shows a chat.
---@return integer?
local function chat_window()
  for _, win in ipairs(api.nvim_tabpage_list_wins(0)) do
    if M.views[api.nvim_win_get_buf(win)] then
      return win
    end
  end
end

--- Shows a thread, in the window where a chat is shown already if there is one.
---@param id string
---@param folder string
---@param focus boolean
---@param stay? boolean the cursor keeps its place in the conversation
function M.show(id, folder, focus, stay)
  local before = api.nvim_get_current_win()
  local one = M.buffer(id, folder)
  local win = chat_window()
  if not win then
    win = open_window(one.buf)
    M.to_prompt(one, win)
  elseif api.nvim_win_get_buf(win) ~= one.buf then
    api.nvim_win_set_buf(win, one.buf)
    M.to_prompt(one, win)
  end
  api.nvim_set_current_win(focus and win or before)
  if focus then
    if not stay and not in_prompt(one, win) then
      M.to_prompt(one, win)
    end
    set_modifiable(one)
  end
  return one, win
end

---@param callback? fun(one: lanebridge.View, win: integer)
function M.open(callback)
  local folder = ask.folder()
  ask.thread(folder, function(id)
    local one, win = M.show(id, folder, true)
    if callback then
      callback(one, win)
    end
  end)
end

---@param close boolean
function M.toggle(close)
  local win = chat_window()
  if close then
    if win and #api.nvim_list_wins() > 1 then
      api.nvim_win_close(win, false)
    end
    return
  end
  M.open()
end

--- :Lanebridge ask
---@param call lanebridge.Call
function M.ask(call)
  local bufnr = api.nvim_get_current_buf()
  local range = call.first and { bufnr = bufnr, first = call.first, last = call.last } or { bufnr = bufnr }
  if call.text == '' then
    return M.open(function(one)
      if call.first then
        local path = vim.fn.fnamemodify(api.nvim_buf_get_name(bufnr), ':p')
        local root = vim.b[one.buf].lanebridge_folder
        if root ~= '' and vim.startswith(path, root .. '/') then
          path = path:sub(#root + 2)
        end
        one:set_prompt(('@%s:%d-%d '):format(path, call.first, call.last))
        M.to_prompt(one, api.nvim_get_current_win())
      end
      vim.cmd('startinsert!')
    end)
  end
  local folder = ask.folder(bufnr)
  ask.thread(folder, function(id)
    M.show(id, folder, M.views[bufnr] ~= nil, true)
    ask.ask(call.text, range)
  end)
end

--- Sends the prompt. While a turn runs it goes to it, or waits if `queue`.
---@param queue? boolean
function M.send(queue)
  local one = M.here()
  if not one then
    return
  end
  local text = one:prompt()
  if text == '' then
    return
  end
  one:set_prompt('')
  api.nvim_win_set_cursor(0, { api.nvim_buf_line_count(one.buf), 0 })
  ask.ask(text, {
    bufnr = one.buf,
    thread = one.thread.id,
    queue = queue,
  }, function(result)
    -- It waits for the answer whether the folder is trusted; after a no the words come back.
    one.held = result.pending and text or nil
  end)
end

--- The turn the cursor is in.
---@return lanebridge.Turn?
function M.turn_here()
  local one = M.here()
  if not one then
    return nil
  end
  local row = api.nvim_win_get_cursor(0)[1] - 1
  local found
  for _, block in ipairs(one.blocks) do
    if block.start > row then
      break
    end
    found = block.turn or found
  end
  return found or one.thread.turns[#one.thread.turns]
end

--- To the next or previous thing you have said.
---@param step integer
function M.go(step)
  local one = M.here()
  if not one then
    return
  end
  local row = api.nvim_win_get_cursor(0)[1]
  local target
  for _, block in ipairs(one.blocks) do
    if block.item and block.item.type == 'userMessage' then
      local at = block.start + 2
      if step > 0 and at > row then
        target = at
        break
      elseif step < 0 and at < row then
        target = at
      end
    end
  end
  if target then
    vim.cmd("normal! m'")
    api.nvim_win_set_cursor(0, { target, 0 })
  elseif step > 0 then
    M.to_prompt(one, 0)
  end
end

local function on_state(event, thread, turn, item, more)
  if event == 'server' or event == 'asked' then
    for _, one in pairs(M.views) do
      one.rule_key = nil
      one:mark_prompt()
    end
    return
  end
  if event == 'distrusted' then
    for _, one in pairs(M.views) do
      if one.held and one:prompt() == '' then
        one:set_prompt(one.held)
      end
      one.held = nil
    end
    return
  end
  local one = thread and M.view_of(thread.id)
  if not one then
    return
  end
  if event == 'started' then
    one.held = nil
    local before = thread.turns[#thread.turns - 1]
    if before then
      M.draw_turn(one, before) -- what it offered is no longer to be had
    end
  end
  if event == 'delta' then
    return one:append(turn, item, more)
  elseif event == 'item' or event == 'item_changed' then
    one:write(function()
      one:draw(one:block_of(turn, item))
    end)
    one.appended[view.item_key(turn, item)] = nil
  elseif event == 'dropped' then
    local key = view.item_key(turn, item)
    one.appended[key] = nil
    local block = one.by_key[key]
    if block then
      one:write(function()
        one:remove(block)
      end)
    end
  elseif event == 'unqueued' then
    local block = one.by_key['end:' .. turn.id]
    if block then
      one:write(function()
        one:remove(block)
      end)
    end
  elseif event == 'queue' then
    for _, waiting in ipairs(thread.turns) do
      if waiting.status == 'queued' then
        M.draw_turn(one, waiting)
      end
    end
  elseif event == 'thread' or event == 'continue' then
    one:touch('head')
  elseif turn then
    M.draw_turn(one, turn)
    one:touch('head')
  end
end

---@param one lanebridge.View
---@param turn lanebridge.Turn
function M.draw_turn(one, turn)
  one:write(function()
    local index = one:turn_end(turn)
    one:draw(one.blocks[index])
  end)
end

state.listen(on_state)

return M
