-- :checkhealth lanebridge: the editor's side here, the rest by `lanebridge doctor`.
local M = {}

local health = vim.health

local function check_editor()
  health.start('Neovim')
  local version = tostring(vim.version())
  if vim.fn.has('nvim-0.10') == 0 then
    return health.error('Neovim ' .. version .. ' is too old', { 'Install Neovim 0.10 or newer.' })
  end
  health.ok('Neovim ' .. version)
  if vim.lsp.inline_completion then
    health.ok("inline completion by Neovim's own")
  else
    health.ok('inline completion by our own: `vim.lsp.inline_completion` comes with Neovim 0.12')
  end
  local config = require('lanebridge.config')
  local unknown = {}
  for name in pairs(config.options) do
    if config.defaults[name] == nil and name ~= 'root' and name ~= 'secret' then
      unknown[#unknown + 1] = name
    end
  end
  if #unknown > 0 then
    health.warn('setup{}: there is no option ' .. table.concat(unknown, ', '), { ':help lanebridge-options' })
  end
end

local function check_server()
  health.start('Server')
  local client = require('lanebridge.client')
  local config = require('lanebridge.config')
  local program = config.options.cmd[1]
  local path = vim.fn.exepath(program)
  if path == '' then
    health.error(('there is no program "%s"'):format(program), {
      'Install Lanebridge, or name the program: require("lanebridge").setup({ cmd = { "/path/to/lanebridge", "lsp" } })',
    })
    return nil
  end
  health.ok(path)
  local running = client.get()
  if running then
    health.ok(
      ('runs, serves %d buffers, positions in %s'):format(
        vim.tbl_count(running.attached_buffers),
        running.offset_encoding
      )
    )
  else
    health.info('does not run now: it starts with `:Lanebridge`, or with the first file after `setup()`')
  end
  return path
end

local level = { ok = 'ok', warn = 'warn', fail = 'error' }

local function check_rest(path)
  health.start('lanebridge doctor')
  local ok, done = pcall(function()
    return vim.system({ path, 'doctor', '--json' }, { text = true, timeout = 30000 }):wait()
  end)
  local told
  if ok then
    ok, told = pcall(vim.json.decode, done.stdout or '', { luanil = { object = true } })
  end
  if not ok or type(told) ~= 'table' then
    return health.warn('it gave no answer that could be read', { 'Run `lanebridge doctor` in a terminal.' })
  end
  health.info('It reads your settings file; it does not see `settings` of setup{}.')
  for _, check in ipairs(told.checks) do
    local say = health[level[check.status] or 'info']
    local text = ('%s: %s'):format(check.name, check.found)
    if check.fix and check.status ~= 'ok' then
      say(text, { check.fix })
    else
      say(text)
    end
  end
end

function M.check()
  check_editor()
  local path = check_server()
  if path then
    check_rest(path)
  end
end

return M
