-- Keys: those of the chat, and the suggested ones elsewhere. Everything has a <Plug> name.
local M = {}

local function map(mode, keys, action, about, options)
  vim.keymap.set(mode, keys, action, vim.tbl_extend('force', { desc = 'Lanebridge: ' .. about, silent = true }, options or {}))
end

local function chat()
  return require('lanebridge.chat')
end

--- In the conversation a letter is a command, in the prompt it is itself.
local function above(key, action)
  return function()
    local one = chat().here()
    if one and vim.api.nvim_win_get_cursor(0)[1] <= one.height then
      action(one)
    else
      vim.api.nvim_feedkeys(vim.keycode(key), 'n', false)
    end
  end
end

---@param buf integer
function M.chat(buf)
  local at = { buffer = buf }
  local function to_prompt(one)
    chat().to_prompt(one, 0)
    vim.bo[buf].modifiable = true
    vim.cmd('startinsert!')
  end
  for _, key in ipairs({ 'i', 'a', 'o', 'I', 'A', 'O' }) do
    map('n', key, above(key, to_prompt), 'to the prompt', at)
  end
  map({ 'n', 'i' }, '<C-s>', function()
    chat().send()
  end, 'send; while a turn runs, tell it', at)
  map('n', '<CR>', function()
    local one = chat().here()
    if one and vim.api.nvim_win_get_cursor(0)[1] <= one.height then
      pcall(vim.cmd, 'normal! za')
    else
      chat().send()
    end
  end, 'send; above the prompt, open or close the fold', at)
  map({ 'n', 'i' }, '<C-q>', function()
    chat().send(true)
  end, 'send when the turn that runs has ended', at)
  map('n', '<C-c>', function()
    local one = chat().here()
    require('lanebridge.ask').stop(one and one.thread)
  end, 'stop the turn', at)
  map('n', ']]', function()
    chat().go(1)
  end, 'next thing you said', at)
  map('n', '[[', function()
    chat().go(-1)
  end, 'previous thing you said', at)
  map('n', '<Tab>', above('<Tab>', function()
    pcall(vim.cmd, 'normal! za')
  end), 'open or close the fold', at)
end

return M
