-- The chat: streaming, folds, the prompt and its completion, steer, stop, queue, fork, continue.
local function slow(text, chunk)
  return { emit = { { type = 'message', text = text } }, pace = { delta_ms = 5, chunk = chunk or 8 } }
end

return {
  {
    'streams while I type in the prompt: nothing is lost, the cursor stays',
    function(t)
      local text = {}
      for i = 1, 60 do
        text[#text + 1] = ('Line %d of an answer that is long enough.'):format(i)
      end
      local s = t.coding({
        replay = { { rollout = 'long', match = { text = 'long' } }, slow(table.concat(text, '\n'), 12) },
      })
      s:open_chat()
      s:keys('ia long answer<C-s>')
      s:wait_running()
      local typed = 'what I type while it streams, with some more words so that it lasts'
      for character in typed:gmatch('.') do
        s:keys(character)
        vim.wait(15)
      end
      t.equal(s:wait_turn(), 'completed')
      s:wait_chat('Line 60 of an answer')
      t.equal(s:lua('return vim.api.nvim_get_current_line()'), typed)
      t.equal(s:lua('return vim.api.nvim_win_get_cursor(0)[2]'), #typed)
      t.contains(s:chat(), table.concat(text, '\n'))
    end,
  },
  {
    'reading above is not disturbed by what comes below',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'one', match = { text = 'first' } },
          t.says(('A line.\n'):rep(80)),
          { rollout = 'two', match = { text = 'second' }, takes_over = true },
          slow(('B line.\n'):rep(80), 4),
        },
      })
      s:ask('first')
      t.equal(s:wait_turn(1), 'completed')
      s:open_chat()
      s:cmd('20')
      s:cmd('normal! zt')
      local before = s:lua('return { vim.fn.line("w0"), vim.api.nvim_win_get_cursor(0)[1] }')
      s:cmd('Lanebridge ask second')
      t.equal(s:wait_turn(2), 'completed')
      s:wait_chat('B line.')
      t.equal(s:lua('return { vim.fn.line("w0"), vim.api.nvim_win_get_cursor(0)[1] }'), before)
    end,
  },
  {
    'tools and reasoning are folded to a line, and open',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'go', match = { text = 'go' } },
          {
            emit = {
              { type = 'reasoning', text = 'First I look.\nThen I act.' },
              {
                type = 'function_call',
                call = 'r',
                name = 'exec_command',
                arguments = { cmd = 'echo one; sleep 0.2; echo two; exit 3' },
              },
            },
          },
          t.patches('p', t.patch('a.c', { '-    return 1;', '+    return 0;' })),
          t.says('Done.'),
        },
      })
      s:ask('go')
      t.equal(s:wait_turn(), 'completed')
      s:wait_chat('Done.')
      s:open_chat()
      local closed = s:lua([[
        local out = {}
        local row = 1
        while row <= vim.api.nvim_buf_line_count(0) do
          local last = vim.fn.foldclosedend(row)
          if last > 0 then
            table.insert(out, { vim.fn.getline(row):gsub(' · %d+ ms', ''), last - row + 1 })
            row = last
          end
          row = row + 1
        end
        return out
      ]])
      t.equal(#closed, 3, vim.inspect(closed))
      t.contains(closed[1][1], '∴ thought · First I look.')
      t.contains(closed[2][1], '✗ `echo one; sleep 0.2; echo two; exit 3` · exit 3')
      t.contains(closed[3][1], '✓ edit `a.c` · +1 −1')
      t.contains(s:chat(), 'Output:\none\ntwo\n```')
      s:lua("vim.fn.search('echo one')")
      s:keys('<CR>')
      s:wait('the fold to open', "return vim.fn.foldclosed('.') == -1")
    end,
  },
  {
    'calls are folded each for itself, in whatever order they end, while I am in Insert mode',
    function(t)
      local function reads(label)
        return { type = 'function_call', call = label, name = 'read_file', arguments = { path = 'a.c' } }
      end
      local s = t.coding({
        replay = {
          { rollout = 'go', match = { text = 'go' } },
          { emit = { t.runs('r', 'echo one; sleep 0.5; seq 1 20').emit[1], reads('f'), reads('g') } },
          { emit = { reads('h') } },
          t.runs('x', 'echo two'),
          t.says('Done.'),
        },
      })
      s:open_chat()
      s:keys('igo<C-s>')
      t.equal(s:wait_turn(), 'completed')
      s:wait_chat('Done.')
      local closed = s:lua([[
        local out = {}
        for row = 1, vim.api.nvim_buf_line_count(0) do
          if vim.fn.foldclosed(row) == row then
            table.insert(out, (vim.fn.getline(row):match('^%S+ %S+')))
          end
          assert(vim.fn.foldlevel(row) < 2, 'a fold in a fold in line ' .. row)
        end
        return out
      ]])
      t.equal(closed, { '✓ `echo', '✓ read_file', '✓ read_file', '✓ read_file', '✓ `echo' })
    end,
  },
  {
    'what a helper does stands under it',
    function(t)
      local function calls(name, arguments)
        return { emit = { { type = 'function_call', call = 'c' .. name, name = name, arguments = arguments } } }
      end
      local s = t.coding({
        replay = {
          { rollout = 'main', match = { text = 'look around' } },
          calls('explore', { question = 'Where is main?' }),
          t.says('Found.'),
          { rollout = 'helper', match = { text = 'Where is main?' }, takes_over = true },
          calls('read_file', { path = 'a.c' }),
          t.says('In a.c.'),
        },
      })
      s:ask('look around')
      t.equal(s:wait_turn(), 'completed')
      s:wait_chat('Found.')
      t.contains(s:chat(), '\n✓ explore `Where is main?`')
      t.contains(s:chat(), '\n  ✓ read_file `a.c`')
      s:open_chat()
      s:lua("vim.fn.search('explore')")
      t.equal(s:lua("return vim.fn.foldclosed('.') == vim.fn.line('.')"), true)
      t.equal(s:lua("return vim.fn.foldclosedend('.') > vim.fn.search('read_file', 'n') - 1"), true)
    end,
  },
  {
    'steered while it runs, and stopped',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'long', match = { text = 'long' } },
          t.runs('r', 'sleep 1; echo slept'),
          slow(('And on and on. '):rep(4000), 10),
        },
      })
      s:open_chat()
      s:keys('ilong one<C-s>')
      s:wait_running()
      s:keys('and mind the gap<C-s>')
      s:wait_chat('And on and on.')
      s:wait_chat('mind the gap')
      s:keys('<Esc>')
      s:wait('normal mode', "return vim.api.nvim_get_mode().mode == 'n'")
      s:keys('<C-c>')
      t.equal(s:wait_turn(), 'interrupted')
      s:wait_chat('*stopped')
    end,
  },
  {
    'a second prompt waits when it is queued',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'one', match = { text = 'first' } },
          t.runs('r', 'sleep 1'),
          t.says('The first.'),
          { rollout = 'two', match = { text = 'second' }, takes_over = true },
          t.says('The second.'),
        },
      })
      s:ask('first')
      s:wait_running()
      s:cmd('Lanebridge queue second')
      s:wait_chat('*waits: second*')
      s:wait_chat('The second.')
      t.equal(s:wait_turn(2), 'completed')
      t.equal(s:chat():find('*waits', 1, true), nil)
    end,
  },
  {
    'what waits is taken back into the prompt',
    function(t)
      local s = t.coding({ replay = { { rollout = 'one', match = { text = 'first' } }, t.runs('r', 'sleep 20') } })
      s:ask('first')
      s:wait_running()
      s:cmd('Lanebridge queue second thought')
      s:wait_chat('*waits: second thought*')
      s:lua('vim.ui.select = function(items, _, on_choice) on_choice(items[1], 1) end')
      s:cmd('Lanebridge queue')
      s:wait('the prompt', t.of_chat .. "return view:prompt() == 'second thought'")
      t.equal(s:chat():find('*waits', 1, true), nil)
    end,
  },
  {
    'an answer that breaks off is made anew, and is there as a whole',
    function(t)
      local text = vim.trim(('Some words. '):rep(40))
      local s = t.coding({
        replay = {
          { rollout = 'one', match = { text = 'first' } },
          {
            emit = { { type = 'message', text = text } },
            pace = { delta_ms = 5, chunk = 12 },
            fault = { kind = 'cut', after_event = 20, times = 1 },
          },
        },
      })
      s:ask('first')
      t.equal(s:wait_turn(1), 'completed')
      s:wait_chat(text)
      t.equal(s:chat():find('lost', 1, true), nil, 'the notice stays')
    end,
  },
  {
    'asked again',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'one', match = { text = 'first' }, takes_over = true },
          t.says('An answer.'),
        },
      })
      s:ask('first')
      t.equal(s:wait_turn(1), 'completed')
      s:cmd('Lanebridge retry')
      t.equal(s:wait_turn(2), 'completed')
    end,
  },
  {
    '@ completes files, sends them along; / completes prompts',
    function(t)
      local s = t.session({
        files = {
          ['a.c'] = t.program,
          ['src/parser.c'] = 'int parser;\n',
          ['../home/.config/lanebridge/prompts/tidy.md'] = 'Tidy it.\n',
        },
        open = 'a.c',
        replay = { { rollout = 'see', match = { text = 'mentioned by the user: src/parser.c' } }, t.says('I see it.') },
      })
      vim.uv.fs_chmod(s.dir .. '/home/.config/lanebridge/prompts/tidy.md', 384)
      s:open_chat()
      s:keys('i')
      s:keys('look at @pars')
      s:wait('the menu', "return vim.fn.pumvisible() == 1 and vim.fn.complete_info({'items'}).items[1].word")
      s:keys('<C-n><C-y>')
      s:wait('the path', "return vim.api.nvim_get_current_line():match('@src/parser.c')")
      s:keys('<C-s>')
      t.equal(s:wait_turn(), 'completed')
      s:keys('<Esc>Gi/ti')
      t.equal(
        s:wait('the menu', "return vim.fn.pumvisible() == 1 and vim.fn.complete_info({'items'}).items[1].word"),
        '/tidy'
      )
    end,
  },
  {
    '@ means files, lines of them, folders, pictures, what git has not committed, the file beside',
    function(t)
      local s = t.coding({
        files = { ['a.c'] = t.program, ['src/a name.c'] = 'int b;\n', ['shot.png'] = '\137PNG' },
      })
      s:open_chat()
      local inputs = s:lua(
        [[
        local folder = ...
        local text = '@a.c:2-3, @"src/a name.c" (@src/) @shot.png. @buffer @diagnostics @nothing.c a@b.c'
        return require('lanebridge.mention').inputs(text, folder, vim.api.nvim_get_current_buf())
      ]],
        s.work
      )
      local seen = {}
      for _, input in ipairs(inputs) do
        seen[#seen + 1] = input.type .. ' ' .. input.uri:match('work/(.*)$')
      end
      table.sort(seen)
      t.equal(
        seen,
        { 'diagnostics a.c', 'file a.c', 'file a.c', 'file src/a%20name.c', 'folder src', 'image shot.png' }
      )
      local lines = vim.iter(inputs):find(function(input)
        return input.range
      end)
      t.equal(lines.range.start.line, 1)
      t.equal(lines.range['end'].line, 3)
    end,
  },
  {
    'what is above the prompt cannot be changed',
    function(t)
      local s = t.coding({ replay = { { rollout = 'hello', match = { text = 'hello' } }, t.says('Hello.') } })
      s:ask('hello')
      t.equal(s:wait_turn(), 'completed')
      s:wait_chat('Hello.')
      s:open_chat()
      local before = s:chat()
      s:keys('ggx')
      s:keys('GImine<Esc>dgg')
      vim.wait(200)
      s:wait('it to be as before', t.of_chat .. 'return view.height > 3')
      t.contains(s:chat(), 'Hello.')
      t.equal(s:chat():sub(1, 20), before:sub(1, 20))
    end,
  },
  {
    'the server is killed: told, started anew, and the turn continues',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'long', match = { text = 'long' } },
          t.runs('r', 'echo begun'),
          t.runs('q', 'sleep 20'),
          t.says('All of it.'),
        },
      })
      s:ask('long')
      s:wait_chat('sleep 20')
      local pid = s:lua([[
        return tonumber(vim.trim(vim.fn.system({ 'pgrep', '-P', tostring(vim.fn.getpid()), '-f', 'lanebridge lsp' })):match('%d+'))
      ]])
      vim.uv.kill(pid, 9)
      s:wait_chat('the server ended while this turn ran')
      s:cmd('Lanebridge continue')
      s:wait_chat('All of it.')
      t.equal(s:wait_turn(2):match('^%a+'), 'completed')
    end,
  },
  {
    'Neovim is killed in the middle of a turn: the next one has the conversation, cut off, and continues it',
    function(t)
      local wanted = {
        files = { ['a.c'] = t.program },
        open = 'a.c',
        replay = {
          { rollout = 'long', match = { text = 'long' } },
          t.runs('r', 'echo begun'),
          t.runs('q', 'sleep 20'),
          t.says('All of it.'),
        },
      }
      local s = t.session(wanted)
      s:ask('long')
      s:wait_chat('sleep 20')
      vim.uv.kill(vim.fn.jobpid(s.channel), 9)
      vim.fn.jobwait({ s.channel }, 5000)
      s:start_editor(wanted)
      s:open_chat()
      s:wait_chat('The last turn was cut off')
      s:keys('ggC')
      s:wait_chat('All of it.')
      t.equal(s:chat():find('was cut off', 1, true), nil, 'the hint stays')
    end,
  },
  {
    'history is there when Neovim is started again',
    function(t)
      local wanted = {
        files = { ['a.c'] = t.program },
        open = 'a.c',
        replay = { { rollout = 'hello', match = { text = 'hello' } }, t.says('Hello again.') },
      }
      local s = t.session(wanted)
      s:ask('hello')
      t.equal(s:wait_turn(), 'completed')
      s:wait_chat('Hello again.')
      s:end_editor()
      s:start_editor(wanted)
      s:cmd('Lanebridge chat')
      s:wait_chat('Hello again.')
      t.contains(s:chat(), '## You\nhello')
    end,
  },
}
