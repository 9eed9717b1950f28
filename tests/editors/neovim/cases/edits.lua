-- Edits where they are hard: stale ones, files that are not open, line endings, letters of several bytes.
--- Sends an edit as the server would, and says what was answered.
local apply = [[
  local version, line, text = ...
  local client = vim.lsp.get_clients({ name = 'lanebridge' })[1]
  local answer
  coroutine.wrap(function()
    answer = require('lanebridge.edit').on_apply({ edit = { documentChanges = { {
      textDocument = { uri = vim.uri_from_bufnr(0), version = version },
      edits = { {
        range = { start = { line = line, character = 0 }, ['end'] = { line = line + 1, character = 0 } },
        newText = text .. '\n',
      } },
    } } } }, { client_id = client.id })
  end)()
  vim.wait(2000, function() return answer ~= nil end, 5)
  return answer
]]

local version = 'return rawget(vim.lsp.util.buf_versions, vim.api.nvim_get_current_buf()) or 0'

local function fix(t, path, old, new)
  return {
    { rollout = 'fix', match = { text = 'fix' } },
    t.patches('p', t.patch(path, { '-' .. old, '+' .. new })),
    t.says('Done.', { expect = { outputs = { p = path } } }),
  }
end

return {
  {
    'a stale edit right after open (version 0) is refused: my line survives',
    function(t)
      local s = t.coding()
      t.equal(s:lua(version), 0)
      s:keys('ggOmine<Esc>')
      s:wait('my line', "return vim.api.nvim_buf_get_lines(0, 0, 1, false)[1] == 'mine'")
      local answer = s:lua(apply, 0, 2, '    return 0;')
      t.equal(answer.applied, false)
      t.contains(answer.failureReason, 'has changed')
      t.equal(table.concat(s:lines('a.c'), '\n') .. '\n', 'mine\n' .. t.program)
    end,
  },
  {
    'an edit for a version to come is refused',
    function(t)
      local s = t.coding()
      local answer = s:lua(apply, s:lua(version) + 5, 2, '    return 0;')
      t.equal(answer.applied, false)
      t.equal(table.concat(s:lines('a.c'), '\n') .. '\n', t.program)
    end,
  },
  {
    'one stale file of several: nothing of the edit is applied',
    function(t)
      local s = t.session({ files = { ['a.c'] = t.program, ['b.c'] = t.program }, open = 'a.c' })
      s:edit('b.c')
      local answer = s:lua(
        [[
          local dir = ...
          local client = vim.lsp.get_clients({ name = 'lanebridge' })[1]
          local changes = {}
          for i, name in ipairs({ 'a.c', 'b.c' }) do
            local bufnr = vim.fn.bufnr(dir .. '/' .. name)
            table.insert(changes, {
              textDocument = { uri = vim.uri_from_bufnr(bufnr), version = i == 1 and 0 or 77 },
              edits = { {
                range = { start = { line = 0, character = 0 }, ['end'] = { line = 0, character = 0 } },
                newText = 'x',
              } },
            })
          end
          local answer
          coroutine.wrap(function()
            answer = require('lanebridge.edit').on_apply({ edit = { documentChanges = changes } }, { client_id = client.id })
          end)()
          vim.wait(2000, function() return answer ~= nil end, 5)
          return answer
        ]],
        s.work
      )
      t.equal(answer.applied, false)
      t.equal(table.concat(s:lines('a.c'), '\n') .. '\n', t.program)
    end,
  },
  {
    'a file that is not open is edited and written',
    function(t)
      local s = t.session({
        files = { ['a.c'] = t.program, ['b.c'] = t.program },
        open = 'a.c',
        replay = fix(t, 'b.c', '    return 1;', '    return 0;'),
      })
      s:ask('fix b')
      t.equal(s:wait_turn(), 'completed')
      t.equal(t.read(s.work .. '/b.c'), (t.program:gsub('return 1', 'return 0')))
      t.equal(s:lua("return vim.bo[vim.fn.bufnr('b.c')].modified"), false)
    end,
  },
  {
    'files are made, moved and deleted',
    function(t)
      local s = t.session({
        files = { ['a.c'] = t.program, ['gone.c'] = t.program, ['old.c'] = t.program },
        open = 'a.c',
        replay = {
          { rollout = 'fix', match = { text = 'fix' } },
          t.patches(
            'p',
            table.concat({
              '*** Begin Patch',
              '*** Add File: sub/new.c',
              '+int n;',
              '*** Delete File: gone.c',
              '*** Update File: old.c',
              '*** Move to: moved.c',
              '@@',
              '-    return 1;',
              '+    return 5;',
              '*** End Patch',
            }, '\n')
          ),
          t.says('Done.'),
        },
      })
      s:ask('fix files')
      t.equal(s:wait_turn(), 'completed')
      t.equal(t.read(s.work .. '/sub/new.c'), 'int n;\n')
      t.equal(t.read(s.work .. '/gone.c'), nil)
      t.equal(t.read(s.work .. '/old.c'), nil)
      t.equal(t.read(s.work .. '/moved.c'), (t.program:gsub('return 1', 'return 5')))
    end,
  },
  {
    "'fileformat' dos stays dos",
    function(t)
      local dos = t.program:gsub('\n', '\r\n')
      local s = t.session({
        files = { ['a.c'] = dos },
        open = 'a.c',
        replay = fix(t, 'a.c', '    return 1;', '    return 0;'),
      })
      t.equal(s:lua('return vim.bo.fileformat'), 'dos')
      s:ask('fix it')
      t.equal(s:wait_turn(), 'completed')
      t.equal(s:lua('return vim.bo.fileformat'), 'dos')
      t.equal(t.read(s.work .. '/a.c'), (dos:gsub('return 1', 'return 0')))
    end,
  },
  {
    'letters of several bytes, and a file without a last newline',
    function(t)
      local text = 'Grüße, 世界 𝒳\n    return "é𝒳";\nlast'
      local s = t.session({
        files = { ['a.txt'] = text },
        open = 'a.txt',
        replay = fix(t, 'a.txt', '    return "é𝒳";', '    return "ünï𝒳𝒴";'),
      })
      s:ask('fix it')
      t.equal(s:wait_turn(), 'completed')
      t.equal(t.read(s.work .. '/a.txt'), 'Grüße, 世界 𝒳\n    return "ünï𝒳𝒴";\nlast')
    end,
  },
  {
    'what I have not saved is seen, and not written',
    function(t)
      local s = t.coding({ replay = fix(t, 'a.c', '    return 1;', '    return 0;') })
      s:keys('Gomine<Esc>')
      s:wait('my line', "return vim.api.nvim_buf_get_lines(0, -2, -1, false)[1] == 'mine'")
      s:ask('fix it')
      t.equal(s:wait_turn(), 'completed')
      t.equal(s:lines('a.c'), { 'int main(void)', '{', '    return 0;', '}', 'mine' })
      t.equal(t.read(s.work .. '/a.c'), t.program, 'the file was written over my unsaved typing')
    end,
  },
  {
    'a buffer is read again when a command changed its file',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'run', match = { text = 'run' } },
          t.runs('r', "sed 's/1/7/' a.c > b.c; cat b.c > a.c"),
          t.says('Done.'),
        },
      })
      s:ask('run it')
      t.equal(s:wait_turn(), 'completed')
      s:wait('the buffer', "return vim.api.nvim_buf_get_lines(0, 2, 3, false)[1] == '    return 7;'")
    end,
  },
  {
    'autocommands run when the server has a file saved',
    function(t)
      local s = t.coding({ replay = fix(t, 'a.c', '    return 1;', '    return 0;') })
      s:lua([[vim.api.nvim_create_autocmd('BufWritePre', { callback = function() _G.written = true end })]])
      s:ask('fix it')
      t.equal(s:wait_turn(), 'completed')
      t.equal(s:lua('return _G.written'), true)
    end,
  },
  {
    "a command changes what is open, with 'noautoread': read again unless I have changed it; no question takes my keys",
    function(t)
      local s = t.session({
        files = { ['a.c'] = t.program, ['b.c'] = t.program },
        open = 'a.c',
        replay = {
          { rollout = 'run', match = { text = 'run' } },
          t.runs('r', "sed 's/1/7/' a.c > a.new; cat a.new > a.c"),
          t.says('Done.'),
        },
      })
      s:cmd('set noautoread')
      s:edit('b.c')
      s:keys('Gomine<Esc>')
      s:wait('my line', "return vim.api.nvim_buf_get_lines(0, -2, -1, false)[1] == 'mine'")
      t.write(s.work .. '/b.c', 'somebody else was here\n')
      s:ask('run it')
      t.equal(s:wait_turn(), 'completed')
      s:wait('a.c', "return vim.api.nvim_buf_get_lines(vim.fn.bufnr('a.c'), 2, 3, false)[1] == '    return 7;'")
      s:wait_said('b.c has changed on disk')
      t.equal(s:lua('return vim.api.nvim_get_mode()'), { mode = 'n', blocking = false })
      t.equal(s:lines('b.c')[5], 'mine')
    end,
  },
  {
    'the swap file of an editor that died beside a file: no question takes my keys, and it stays',
    function(t)
      local s = t.session({
        files = { ['a.c'] = t.program, ['b.c'] = t.program },
        open = 'a.c',
        replay = {
          { rollout = 'fix', match = { text = 'fix' } },
          t.patches('p', t.patch('b.c', { '-    return 1;', '+    return 0;' })),
          t.says('Done.'),
        },
      })
      local program = [[
        vim.cmd('set directory=. swapfile updatecount=1 | edit b.c')
        vim.api.nvim_buf_set_lines(0, 0, 0, false, { 'unsaved' })
        vim.cmd('preserve')
        vim.uv.kill(vim.fn.getpid(), 9)
      ]]
      t.write(s.dir .. '/die.lua', program)
      vim.system({ t.nvim, '--clean', '--headless', '-l', s.dir .. '/die.lua' }, { cwd = s.work, env = s.env }):wait()
      assert(vim.uv.fs_stat(s.work .. '/.b.c.swp'), 'it left no swap file')
      s:cmd('set directory=. swapfile updatecount=200')
      s:ask('fix b')
      t.equal(s:wait_turn(), 'completed')
      t.equal(s:lua('return vim.api.nvim_get_mode().blocking'), false)
      t.equal(t.read(s.work .. '/b.c'), (t.program:gsub('return 1', 'return 0')))
      assert(vim.uv.fs_stat(s.work .. '/.b.c.swp'), 'what was not saved then is lost')
    end,
  },
  {
    "a file that is not open, with 'nohidden' and my own unsaved text in the window: edited and written",
    function(t)
      local s = t.session({
        files = { ['a.c'] = t.program, ['b.c'] = t.program },
        open = 'a.c',
        replay = fix(t, 'b.c', '    return 1;', '    return 0;'),
      })
      s:cmd('set nohidden noautowrite')
      s:keys('Gomine<Esc>')
      s:wait('my line', 'return vim.bo.modified')
      s:ask('fix b')
      t.equal(s:wait_turn(), 'completed')
      t.equal(t.read(s.work .. '/b.c'), (t.program:gsub('return 1', 'return 0')))
      t.equal(s:lines('a.c')[5], 'mine')
      t.equal(s:lua('return vim.fs.basename(vim.api.nvim_buf_get_name(0))'), 'a.c')
    end,
  },
}
