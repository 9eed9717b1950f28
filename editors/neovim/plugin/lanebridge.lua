-- What is there before anything of Lanebridge is loaded: a command and <Plug> maps. Nothing else is read at
-- start-up.
if vim.g.loaded_lanebridge or vim.fn.has('nvim-0.10') == 0 then
  return
end
vim.g.loaded_lanebridge = 1

vim.api.nvim_create_user_command('Lanebridge', function(args)
  require('lanebridge.command').run(args)
end, {
  nargs = '*',
  range = true,
  bang = true,
  desc = 'Lanebridge: ask an agent, answer it, decide on its edits',
  complete = function(lead, line)
    return require('lanebridge.command').complete(lead, line)
  end,
})

-- Chats that `:edit` reads again, or a session brings back, which makes empty buffers of their names.
local group = vim.api.nvim_create_augroup('lanebridge', { clear = true })
vim.api.nvim_create_autocmd('BufReadCmd', {
  group = group,
  pattern = 'lanebridge://chat/*',
  callback = function(args)
    require('lanebridge.chat').read(args.buf, args.match)
  end,
})
vim.api.nvim_create_autocmd('SessionLoadPost', {
  group = group,
  callback = function()
    for _, buf in ipairs(vim.api.nvim_list_bufs()) do
      local name = vim.api.nvim_buf_get_name(buf)
      if vim.startswith(name, 'lanebridge://chat/') and vim.api.nvim_buf_is_loaded(buf) then
        require('lanebridge.chat').read(buf, name)
      end
    end
  end,
})

-- Name of the map → subcommand; those in the second list take a range in Visual mode.
local normal = {
  'approve',
  'stop',
  'amend',
  'next',
  'previous',
  'hunks',
  'diff',
  'undo',
  'redo',
  'retry',
  'continue',
  'threads',
  'new',
  'suggest',
  'chat',
  'queue',
  'steer',
  'fork',
  'review',
  'commit',
  'menu',
  'mode',
  'model',
  'effort',
  'plan',
  'status',
}
local ranged = { 'ask', 'edit', 'explain', 'fix', 'accept', 'reject' }

local map = vim.api.nvim_set_keymap
for _, name in ipairs(normal) do
  map('n', '<Plug>(lanebridge-' .. name .. ')', '<Cmd>Lanebridge ' .. name .. '<CR>', {})
end
for _, name in ipairs(ranged) do
  local plug = '<Plug>(lanebridge-' .. name .. ')'
  map('n', plug, '<Cmd>Lanebridge ' .. name .. '<CR>', {})
  map('x', plug, ':Lanebridge ' .. name .. '<CR>', { silent = true })
end
map('n', '<Plug>(lanebridge-accept-file)', '<Cmd>Lanebridge accept file<CR>', {})
map('n', '<Plug>(lanebridge-reject-file)', '<Cmd>Lanebridge reject file<CR>', {})

-- The suggestion, or what the key does without one: <Tab> stays <Tab>, and jumps in snippets.
for name, part in pairs({ take = 'nil', ['take-word'] = '"word"', ['take-line'] = '"line"' }) do
  map('i', '<Plug>(lanebridge-' .. name .. ')', '', {
    noremap = true,
    expr = true,
    replace_keycodes = true,
    callback = function()
      local loaded = package.loaded['lanebridge.suggest']
      if loaded and loaded.visible() then
        return ('<Cmd>lua require("lanebridge.suggest").accept(%s)<CR>'):format(part)
      elseif name ~= 'take' then
        return ''
      elseif vim.snippet.active({ direction = 1 }) then
        return '<Cmd>lua vim.snippet.jump(1)<CR>'
      end
      return '<Tab>'
    end,
  })
end
