-- Keys: the suggested ones, and those of the chat. Everything suggested has a <Plug> name as well.
local M = {}

---@class lanebridge.Key
---@field plug string name of the <Plug> map
---@field modes string
---@field key string behind the prefix; one that begins with < stands for itself
---@field about string

---@type lanebridge.Key[]
M.suggested = {
  { plug = 'ask', modes = 'nx', key = 'a', about = 'open the chat; ask about the selection' },
  { plug = 'edit', modes = 'nx', key = 'e', about = 'change these lines' },
  { plug = 'explain', modes = 'nx', key = 'x', about = 'explain these lines, or the file' },
  { plug = 'fix', modes = 'nx', key = 'f', about = 'fix the diagnostics here' },
  { plug = 'approve', modes = 'n', key = 'o', about = 'open what is asked' },
  { plug = 'stop', modes = 'n', key = 's', about = 'stop the turn' },
  { plug = 'accept', modes = 'nx', key = 'y', about = 'accept the hunk' },
  { plug = 'reject', modes = 'nx', key = 'n', about = 'reject the hunk' },
  { plug = 'accept-file', modes = 'n', key = 'Y', about = 'accept all of the file' },
  { plug = 'reject-file', modes = 'n', key = 'N', about = 'reject all of the file' },
  { plug = 'amend', modes = 'n', key = 'm', about = 'change the hunk and accept it so' },
  { plug = 'next', modes = 'n', key = 'j', about = 'next hunk' },
  { plug = 'previous', modes = 'n', key = 'k', about = 'previous hunk' },
  { plug = 'hunks', modes = 'n', key = 'q', about = 'all hunks, in the quickfix list' },
  { plug = 'diff', modes = 'n', key = 'd', about = 'the file beside what it was' },
  { plug = 'undo', modes = 'n', key = 'u', about = 'undo the turn' },
  { plug = 'redo', modes = 'n', key = 'U', about = 'do the undone turn again' },
  { plug = 'retry', modes = 'n', key = 'r', about = 'ask again' },
  { plug = 'continue', modes = 'n', key = 'c', about = 'let what was cut off go on' },
  { plug = 'threads', modes = 'n', key = 't', about = 'conversations' },
  { plug = 'new', modes = 'n', key = 'w', about = 'new conversation' },
  { plug = 'review', modes = 'n', key = 'v', about = 'have changes in git reviewed' },
  { plug = 'menu', modes = 'n', key = 'p', about = 'what can be done now; how things are' },
  { plug = 'suggest', modes = 'n', key = 'i', about = 'inline completion on or off' },
  { plug = 'take', modes = 'i', key = '<Tab>', about = 'take the suggestion' },
  { plug = 'take-word', modes = 'i', key = '<M-w>', about = 'take its first word' },
  { plug = 'take-line', modes = 'i', key = '<M-e>', about = 'take its first line' },
}

--- Neovim's own maps do not count: ours do what they do, where there is nothing to take.
local function is_free(key, mode)
  local known = vim.fn.maparg(key, mode, false, true)
  return vim.tbl_isempty(known) or (known.desc or ''):find('^vim%.snippet') ~= nil
end

--- The suggested maps; a key that you have mapped already stays yours.
function M.set()
  local prefix = require('lanebridge.config').options.prefix
  for _, one in ipairs(M.suggested) do
    local key = one.key:sub(1, 1) == '<' and one.key or prefix .. one.key
    for mode in one.modes:gmatch('.') do
      if is_free(key, mode) then
        vim.keymap.set(mode, key, '<Plug>(lanebridge-' .. one.plug .. ')', { desc = 'Lanebridge: ' .. one.about })
      end
    end
  end
end

---@param plug string
---@return string? keys
function M.of(plug)
  for _, map in ipairs(vim.api.nvim_get_keymap('n')) do
    if map.rhs == '<Plug>(lanebridge-' .. plug .. ')' then
      return (map.lhs:gsub(' ', '␣'))
    end
  end
end

---@return string
function M.hunk_hint()
  local accept, reject = M.of('accept'), M.of('reject')
  return ('%s ✓  %s ✗'):format(accept or ':Lanebridge accept', reject or 'reject')
end

local function chat()
  return require('lanebridge.chat')
end

local function in_conversation()
  local one = chat().here()
  return one and vim.api.nvim_win_get_cursor(0)[1] <= one.height and one or nil
end

--- In the conversation a letter is a command, in the prompt it is itself.
---@param key string
---@param instead string keys
local function above(key, instead)
  return function()
    return in_conversation() and instead or key
  end
end

function M.to_prompt()
  local one = chat().here()
  if one then
    vim.bo[one.buf].modifiable = true
    chat().to_prompt(one, 0)
  end
end

--- What a key of the chat does.
---@param key string
function M.act(key)
  for _, one in ipairs(M.in_chat) do
    if one.key == key then
      return one.run()
    end
  end
end

local function fold()
  pcall(vim.cmd, 'normal! za')
end

local function help()
  local lines = { 'In the chat', '' }
  for _, one in ipairs(M.in_chat) do
    lines[#lines + 1] = ('%-7s %s'):format(one.key, one.about)
  end
  lines[#lines + 1] = ''
  lines[#lines + 1] = 'Elsewhere'
  lines[#lines + 1] = ''
  for _, one in ipairs(M.suggested) do
    local keys = M.of(one.plug)
    if keys then
      lines[#lines + 1] = ('%-7s %s'):format(keys, one.about)
    end
  end
  require('lanebridge.thread').show_text('keys', lines, '')
end

--- What is mapped in the chat; `above`: only above the prompt.
M.in_chat = {
  {
    modes = { 'n', 'i' },
    key = '<C-s>',
    about = 'ask; while a turn runs, tell it',
    run = function()
      chat().send()
    end,
  },
  {
    modes = { 'n' },
    key = '<CR>',
    about = 'ask; above the prompt, open or close the fold',
    run = function()
      if in_conversation() then
        fold()
      else
        chat().send()
      end
    end,
  },
  {
    modes = { 'n', 'i' },
    key = '<C-q>',
    about = 'ask when the turn that runs has ended',
    run = function()
      chat().send(true)
    end,
  },
  {
    modes = { 'n' },
    key = '<C-c>',
    about = 'stop the turn',
    run = function()
      local one = chat().here()
      require('lanebridge.ask').stop(one and one.thread.running and one.thread or nil)
    end,
  },
  {
    modes = { 'n' },
    key = ']]',
    about = 'next thing you said',
    run = function()
      chat().go(1)
    end,
  },
  {
    modes = { 'n' },
    key = '[[',
    about = 'previous thing you said',
    run = function()
      chat().go(-1)
    end,
  },
  { modes = { 'n' }, key = 'g?', about = 'these keys', run = help },
  { above = true, key = '<Tab>', about = 'above the prompt: open or close the fold', run = fold },
  {
    above = true,
    key = 'R',
    about = 'above the prompt: ask this again',
    run = function()
      require('lanebridge.turns').retry()
    end,
  },
  {
    above = true,
    key = 'F',
    about = 'above the prompt: fork the conversation here',
    run = function()
      require('lanebridge.threads').fork()
    end,
  },
  {
    above = true,
    key = 'U',
    about = 'above the prompt: undo this turn',
    run = function()
      require('lanebridge.turns').undo()
    end,
  },
  {
    above = true,
    key = 'C',
    about = 'above the prompt: let what was cut off go on',
    run = function()
      require('lanebridge.turns').continue()
    end,
  },
  {
    above = true,
    key = 'P',
    about = 'above the prompt: carry the plan out',
    run = function()
      vim.cmd('Lanebridge plan')
    end,
  },
}

---@param buf integer
function M.chat(buf)
  local function map(modes, key, action, about, expr)
    vim.keymap.set(modes, key, action, { buffer = buf, silent = true, expr = expr, desc = 'Lanebridge: ' .. about })
  end
  for _, one in ipairs(M.in_chat) do
    if one.above then
      local name = one.key:gsub('<', '<lt>')
      local call = ('<Cmd>lua require("lanebridge.keys").act("%s")<CR>'):format(name)
      map('n', one.key, above(one.key, call), one.about, true)
    else
      map(one.modes, one.key, one.run, one.about)
    end
  end
  for _, key in ipairs({ 'i', 'a', 'o', 'I', 'A', 'O' }) do
    map('n', key, above(key, '<Cmd>lua require("lanebridge.keys").to_prompt()<CR>A'), 'to the prompt', true)
  end
end

return M
