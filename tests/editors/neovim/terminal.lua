-- The plugin in a terminal, as a person sees it: tmux holds the screen, keys go in, text comes out.
-- usage: nvim --clean --headless -l terminal.lua LANEBRIDGE NVIM PLUGIN [--pictures FOLDER]
-- With --pictures the screens are rendered to PNG files, for docs/images.
local here = vim.fs.dirname(vim.fs.normalize(vim.uv.fs_realpath(arg[0])))
package.path = here .. '/?.lua;' .. package.path
local harness = require('harness')
harness.lanebridge, harness.nvim, harness.plugin = arg[1], arg[2], arg[3]
local pictures = arg[4] == '--pictures' and arg[5] or nil
local patience = tonumber(vim.env.LANEBRIDGE_PATIENCE_MS) or 60000
local top = vim.fs.normalize(here .. '/../../..')

local WIDTH, HEIGHT = 132, 38

local function run(command, options)
  local done = vim.system(command, vim.tbl_extend('force', { text = true }, options or {})):wait(30000)
  return done.stdout or '', done.code, done.stderr
end

---@class Screen
local Screen = {}
Screen.__index = Screen

--- tmux with a server, and so a socket, of its own.
local function screen(dir, command, env, cwd)
  local self = setmetatable({ socket = dir .. '/tmux', file = dir .. '/tmux.conf' }, Screen)
  harness.write(self.file, table.concat({
    'set -g default-terminal "tmux-256color"',
    'set -ga terminal-overrides ",*:Tc"',
    'set -g status off',
    'set -g escape-time 0',
    'set -g remain-on-exit on',
    'set -g focus-events on',
  }, '\n') .. '\n')
  local list = { 'tmux', '-S', self.socket, '-f', self.file, 'new-session', '-d', '-x', WIDTH, '-y', HEIGHT, '-c', cwd }
  for name, value in pairs(env) do
    vim.list_extend(list, { '-e', name .. '=' .. value })
  end
  vim.list_extend(list, command)
  local _, code, err = run(vim.tbl_map(tostring, list))
  assert(code == 0, 'tmux does not start: ' .. (err or ''))
  return self
end

function Screen:tmux(...)
  return run({ 'tmux', '-S', self.socket, ... })
end

function Screen:text()
  return (self:tmux('capture-pane', '-p'))
end

--- Keys as tmux names them; a text in between goes as it is.
function Screen:keys(...)
  self:tmux('send-keys', ...)
end

function Screen:type(text)
  self:tmux('send-keys', '-l', text)
end

function Screen:wait(part, gone)
  local deadline = vim.uv.now() + patience
  while true do
    local text = self:text()
    if (text:find(part, 1, true) ~= nil) ~= (gone or false) then
      return text
    end
    vim.uv.update_time()
    if vim.uv.now() > deadline then
      error(('waited in vain for "%s" %s\n%s'):format(part, gone and 'to go' or '', text), 2)
    end
    vim.wait(30)
  end
end

function Screen:picture(name, title)
  if not pictures then
    return
  end
  vim.wait(400)
  local coloured = self:tmux('capture-pane', '-p', '-e', '-N')
  local file = pictures .. '/' .. name .. '.png'
  local cursor = vim.trim((self:tmux('display-message', '-p', '#{cursor_x} #{cursor_y} #{cursor_flag}')))
  local out, code, err = run(
    { '/usr/bin/python3', here .. '/render', file, title, WIDTH, HEIGHT, cursor },
    { stdin = coloured }
  )
  assert(code == 0, out .. (err or ''))
end

function Screen:close()
  self:tmux('kill-server')
end

--- A copy of the small project, settings with the recording, and Neovim in it.
local function start(options)
  -- A short name, since it is seen in pictures.
  local dir = pictures and '/tmp/try' or vim.fn.tempname()
  vim.fn.delete(dir, 'rf')
  vim.fn.mkdir(dir .. '/state', 'p', '0700')
  vim.fn.mkdir(dir .. '/home', 'p', '0700')
  local work = dir .. '/csvline'
  run({ 'cp', '-r', top .. '/tests/corpora/projects/csvline', work })
  run({ 'git', 'init', '-q', work })
  if options.unsaved then
    -- As server/try has it: what the recording expects in the buffer.
    local text = harness.read(work .. '/src/csvline.c')
    harness.write(work .. '/src/csvline.c', (text:gsub('MAX_FIELDS = 4 ', 'MAX_FIELDS = 16 ')))
  end
  harness.write(
    dir .. '/config.json',
    vim.json.encode({
      ['endpoint.url'] = 'replay:' .. options.replay,
    })
  )
  vim.uv.fs_chmod(dir .. '/config.json', 384)
  harness.write(
    dir .. '/init.lua',
    ([[
    vim.opt.runtimepath:prepend(%q)
    vim.g.mapleader = ' '
    vim.o.termguicolors = true
    vim.o.number = true
    vim.o.swapfile = false
    vim.o.laststatus = 3
    vim.o.ruler = false
    vim.o.showmode = false
    vim.o.statusline = " %%f %%m%%=%%{%%v:lua.require'lanebridge'.statusline()%%} "
    require('lanebridge').setup({ cmd = { %q, 'lsp' }, keys = true, trusted = true, dead_time = 300 })
  ]]):format(harness.plugin, harness.lanebridge)
  )
  local env = {
    HOME = dir .. '/home',
    XDG_CONFIG_HOME = dir .. '/home/.config',
    XDG_STATE_HOME = dir .. '/home/.state',
    XDG_DATA_HOME = dir .. '/home/.data',
    XDG_CACHE_HOME = dir .. '/home/.cache',
    LANEBRIDGE_STATE = dir .. '/state',
    LANEBRIDGE_CONFIG = dir .. '/config.json',
    COLORTERM = 'truecolor',
    LC_ALL = 'C.UTF-8',
  }
  local s = screen(dir, { harness.nvim, '-u', dir .. '/init.lua', '-i', 'NONE', 'src/csvline.c' }, env, work)
  s.dir, s.work = dir, work
  return s
end

local TASK = 'The doubled quote test fails: fix the parser and run the tests.'

local cases = {
  {
    'a whole turn: asked by keys, streamed, hunk accepted',
    function()
      local s = start({ replay = top .. '/tests/corpora/replays/try.jsonl', unsaved = true })
      s:wait('take_quoted')
      s:keys('Space', 'a', 'a')
      s:wait('Ask. @ adds files')
      s:type(TASK)
      s:wait('fix the parser')
      s:keys('C-s')
      s:wait('All six')
      s:wait('Fixed: take_quoted ended') -- its marks of code are not seen
      s:keys('Escape', 'C-w', 'p')
      s:keys('Space', 'a', 'j')
      s:wait('1/1')
      s:keys('z', 'z')
      s:picture('neovim-turn', 'nvim src/csvline.c')
      s:keys('Space', 'a', 'y')
      s:wait('1/1', true)
      s:keys('Space', 'a', 'u')
      s:wait('undone: src/csvline.c')
      s:close()
    end,
  },
  {
    'an approval: a badge, opened by a key, declined with a note',
    function()
      local replay = vim.fn.tempname()
      local steps = {
        { rollout = 'install', match = { text = 'nstall' } },
        {
          emit = {
            { type = 'message', phase = 'commentary', text = 'It builds; what is left is to install it.' },
            harness.runs('i', 'make install', {
              escalate = true,
              justification = 'it copies the program to /usr/local, which the sandbox keeps read-only',
            }).emit[1],
          },
        },
        harness.says('Then I leave it in `build/` and say so in the README.', {
          expect = { outputs = { i = 'to my home instead' } },
        }),
      }
      local lines = {}
      for _, step in ipairs(steps) do
        lines[#lines + 1] = vim.json.encode(step)
      end
      harness.write(replay, table.concat(lines, '\n') .. '\n')
      local s = start({ replay = replay })
      s:wait('take_quoted')
      s:keys('Space', 'a', 'a')
      s:wait('Ask. @ adds files')
      s:type('Install it, please.')
      s:keys('C-s')
      s:wait('●')
      s:keys('Escape', 'C-w', 'p')
      s:picture('neovim-badge', 'nvim src/csvline.c')
      s:keys('Space', 'a', 'o')
      s:wait('Decline, and say what to do instead')
      s:picture('neovim-approval', 'nvim src/csvline.c')
      vim.wait(600)
      s:keys('n')
      s:wait('What should it do instead')
      s:type('to my home instead')
      s:keys('Enter')
      s:wait('say so in the README')
      s:close()
    end,
  },
}

local failed = 0
for _, case in ipairs(cases) do
  local ok, err = xpcall(case[2], debug.traceback)
  io.stdout:write(ok and 'ok      ' or 'FAILED  ', 'terminal: ', case[1], '\n', ok and '' or (err .. '\n'))
  failed = failed + (ok and 0 or 1)
end
os.exit(failed > 0 and 1 or 0)
