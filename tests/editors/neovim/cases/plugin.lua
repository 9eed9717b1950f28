-- The plugin itself: what it costs, its help, its commands and keys, and that setup() is optional.
local function help(t)
  return t.read(t.plugin .. '/doc/lanebridge.txt')
end

return {
  {
    'costs less than 2 ms at start-up',
    function(t)
      local best
      for _ = 1, 5 do
        local file = vim.fn.tempname()
        vim
          .system({ t.nvim, '--clean', '--headless', '--cmd', 'set rtp^=' .. t.plugin, '--startuptime', file, '+qall' })
          :wait(20000)
        local ms
        for line in io.lines(file) do
          local own = line:match('^%S+%s+%S+%s+(%S+): sourcing .*/lanebridge%.lua')
          ms = own and tonumber(own) or ms
        end
        assert(ms, 'the plugin is not sourced')
        best = math.min(best or ms, ms)
      end
      t.measured(('start-up: %.2f ms (best of 5)'):format(best))
      assert(best <= 2, ('start-up takes %.2f ms'):format(best))
    end,
  },
  {
    'setup() is optional: the first command starts the server',
    function(t)
      local s = t.session({
        files = { ['a.c'] = t.program },
        setup = false,
        replay = { { rollout = 'hello', match = { text = 'hello' } }, t.says('Hello.') },
      })
      t.write(s.dir .. '/no-config.json', vim.json.encode({ endpoint = { url = s.url } }))
      vim.uv.fs_chmod(s.dir .. '/no-config.json', 384)
      s:lua([[vim.env.PATH = ... .. ':' .. vim.env.PATH]], vim.fs.dirname(t.lanebridge))
      s:cmd('edit a.c')
      s:ask('hello')
      s:wait('the question of trust', "return #require('lanebridge.approval').list() == 1")
      s:keys(':Lanebridge approve<CR>')
      s:wait('the float', "return vim.api.nvim_win_get_config(0).relative ~= ''")
      vim.wait(700)
      s:keys('a')
      t.equal(s:wait_turn(), 'completed')
    end,
  },
  {
    "vim.lsp.enable('lanebridge') starts it with the first file",
    min = { 0, 11, 0 },
    function(t)
      local s = t.session({ files = { ['a.c'] = t.program }, setup = false })
      s:lua([[vim.env.PATH = ... .. ':' .. vim.env.PATH]], vim.fs.dirname(t.lanebridge))
      s:lua("vim.lsp.enable('lanebridge')")
      s:edit('a.c')
      t.equal(s:lua("return vim.lsp.get_clients({ name = 'lanebridge' })[1].root_dir"), s.work)
    end,
  },
  {
    'one server for all folders',
    function(t)
      local s = t.session({
        files = { ['a.c'] = t.program, ['../other/.git/HEAD'] = '', ['../other/b.c'] = t.program },
        open = 'a.c',
      })
      s:edit('../other/b.c')
      t.equal(s:lua("return #vim.lsp.get_clients({ name = 'lanebridge' })"), 1)
      s:cmd('Lanebridge status')
      s:wait('both folders', "return vim.fn.search('folders.*/work, .*/other') > 0")
    end,
  },
  {
    'the t.program is missing: said, with what to do',
    function(t)
      local s = t.session({ files = { ['a.c'] = t.program }, setup = { cmd = { '/no/such/lanebridge', 'lsp' } } })
      s:cmd('edit a.c')
      s:cmd('Lanebridge ask hello')
      t.contains(s:lua('return vim.inspect(_G.messages)'), 'there is no program')
    end,
  },
  {
    'help: tags build, and nothing is left out of it',
    function(t)
      local dir = vim.fn.tempname()
      vim.fn.mkdir(dir .. '/doc', 'p')
      t.write(dir .. '/doc/lanebridge.txt', help(t))
      vim.cmd('helptags ' .. dir .. '/doc')
      t.contains(t.read(dir .. '/doc/tags'), ':Lanebridge\t')
      local text = help(t)
      vim.opt.runtimepath:prepend(t.plugin)
      for name in pairs(require('lanebridge.command').subcommands) do
        t.contains(text, '\n    ' .. name .. ' ', 'a subcommand')
      end
      for _, key in ipairs(require('lanebridge.keys').suggested) do
        t.contains(text, '<Plug>(lanebridge-' .. key.plug .. ')')
      end
      for _, key in ipairs(require('lanebridge.keys').in_chat) do
        t.contains(text, key.key)
      end
      for name in pairs(require('lanebridge.highlight').groups) do
        t.contains(text, name)
      end
      for name in pairs(require('lanebridge.config').defaults) do
        t.contains(text, '\n      ' .. name .. ' = ', 'an option')
      end
      for tag in text:gmatch('|(lanebridge[%w-]*)|') do
        t.contains(text, '*' .. tag .. '*', 'a reference')
      end
      for line in text:gmatch('[^\n]+') do
        assert(vim.fn.strdisplaywidth(line) <= 100, 'too long: ' .. line)
      end
    end,
  },
  {
    'types: those that are named exist, and parameters are those of the function below',
    function(t)
      -- lua-language-server is neither in Debian nor in npm; this is the part of it that goes wrong first.
      local known, used = {}, {}
      for _, path in ipairs(vim.fn.glob(t.plugin .. '/lua/lanebridge/*.lua', true, true)) do
        local names = {}
        for line in io.lines(path) do
          local class = line:match('^%-%-%-@class (lanebridge%.%w+)') or line:match('^%-%-%-@alias (lanebridge%.%w+)')
          known[class or ''] = true
          for name in line:gmatch('lanebridge%.%u%w+') do
            if line:match('^%s*%-%-%-') or line:match('%-%-%-@type') then
              used[name] = vim.fs.basename(path)
            end
          end
          local parameter = line:match('^%s*%-%-%-@param (%w[%w_]*)') or line:match('^%s*%-%-%-@param (%.%.%.)')
          if parameter then
            names[#names + 1] = parameter
          elseif not line:match('^%s*%-%-') then
            local given = line:match('function[^(]*%(([^)]*)%)')
            for k, name in ipairs(names) do
              local list = vim.split(given or '', ',%s*')
              assert(
                vim.tbl_contains(list, name),
                ('%s: "%s" of @param %d is not in: %s'):format(vim.fs.basename(path), name, k, line)
              )
            end
            names = {}
          end
        end
      end
      for name, file in pairs(used) do
        assert(known[name], ('%s names %s, which is nowhere'):format(file, name))
      end
      assert(vim.tbl_count(used) > 10, 'the check itself is broken')
    end,
  },
  {
    'every suggested key has its <Plug> map, and what is mapped already stays',
    function(t)
      local s = t.session({
        setup = { keys = true, prefix = ',' },
        before = "vim.keymap.set('n', ',a', '<Cmd>let g:mine = 1<CR>')",
      })
      local missing = s:lua([[
        local out = {}
        for _, key in ipairs(require('lanebridge.keys').suggested) do
          for mode in key.modes:gmatch('.') do
            if vim.fn.maparg('<Plug>(lanebridge-' .. key.plug .. ')', mode) == ''
              and vim.tbl_isempty(vim.fn.maparg('<Plug>(lanebridge-' .. key.plug .. ')', mode, false, true)) then
              table.insert(out, key.plug .. ' ' .. mode)
            end
          end
        end
        return out
      ]])
      t.equal(missing, {})
      s:keys(',a')
      s:wait('my own map', 'return vim.g.mine == 1')
    end,
  },
  {
    'completion of subcommands and their words',
    function(t)
      local s = t.session({})
      t.equal(s:lua("return vim.fn.getcompletion('Lanebridge sta', 'cmdline')"), { 'start', 'status' })
      t.equal(s:lua("return vim.fn.getcompletion('Lanebridge mode ', 'cmdline')"), { 'plan', 'ask', 'auto' })
    end,
  },
  {
    ':checkhealth has something to say',
    function(t)
      local s = t.coding()
      s:cmd('checkhealth lanebridge')
      local text = s:lua("return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')")
      t.contains(text, 'runs, serves 1 buffers')
      t.contains(text, 'sandbox: ')
      t.equal(text:find('Failed to run healthcheck', 1, true), nil, text)
    end,
  },
}
