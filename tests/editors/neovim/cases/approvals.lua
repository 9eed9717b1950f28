-- Approvals and questions: they wait, take no focus, and are answered only by who opened them.
local function asking(t, more)
  return {
    { rollout = 'run', match = { text = 'run it' } },
    t.runs('r', 'echo made > made.txt', { escalate = true, justification = 'it writes a file' }),
    t.says('It is done.', more),
  }
end

local waiting = "return #require('lanebridge.approval').list() == ..."

return {
  {
    'waits with a badge; the focus stays; accepted, the command runs',
    function(t)
      local s = t.coding({ replay = asking(t) })
      local before = s:lua('return vim.api.nvim_get_current_win()')
      s:ask('run it')
      s:wait('a question', waiting, 1)
      t.equal(s:lua('return vim.api.nvim_get_current_win()'), before, 'the focus moved')
      t.contains(s:lua("return require('lanebridge').statusline()"), '1 question')
      local badge = s:lua([[
        for _, win in ipairs(vim.api.nvim_list_wins()) do
          local config = vim.api.nvim_win_get_config(win)
          if config.relative ~= '' then
            return { config.focusable, vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(win), 0, 1, false)[1] }
          end
        end
      ]])
      t.equal(badge[1], false, 'the badge can be entered')
      t.contains(badge[2], 'echo made')
      t.open_question(s)
      local lines = s:lua('return vim.api.nvim_buf_get_lines(0, 0, -1, false)')
      t.contains(table.concat(lines, '\n'), '    echo made > made.txt')
      t.contains(table.concat(lines, '\n'), 'The model says: it writes a file')
      t.contains(s:lua('return vim.api.nvim_get_current_line()'), 'Decline', 'Decline is not the first')
      t.rest()
      s:keys('a')
      t.equal(s:wait_turn(), 'completed')
      t.equal(t.read(s.work .. '/made.txt'), 'made\n')
      t.equal(s:lua('return vim.api.nvim_get_current_win()'), before)
    end,
  },
  {
    'declined with a note: the model reads it',
    function(t)
      local s = t.coding({ replay = asking(t, { expect = { outputs = { r = 'use the other folder' } } }) })
      s:ask('run it')
      t.open_question(s)
      t.rest()
      s:keys('n')
      s:wait('the line of input', "return vim.api.nvim_get_mode().mode == 'i'")
      s:keys('use the other folder<CR>')
      t.equal(s:wait_turn(), 'completed')
      t.equal(t.read(s.work .. '/made.txt'), nil)
    end,
  },
  {
    'a literal rule is accepted by its number, and holds for the turn',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'run', match = { text = 'run it' } },
          t.runs('r', 'make one', { escalate = true, justification = 'once' }),
          t.runs('q', 'make one', { escalate = true, justification = 'twice' }),
          t.says('Both are done.'),
        },
      })
      s:ask('run it')
      t.open_question(s)
      local text = table.concat(s:lua('return vim.api.nvim_buf_get_lines(0, 0, -1, false)'), '\n')
      t.contains(text, 'Accept; will allow: `make one')
      t.rest()
      s:keys('1')
      local which = s:wait(
        'the end, or another question',
        [[
        for _, thread in pairs(require('lanebridge.state').threads) do
          for _, turn in ipairs(thread.turns) do
            if turn.status == 'completed' then return 'completed' end
          end
        end
        local asked = require('lanebridge.approval').list()[1]
        return asked and asked.params.show
      ]]
      )
      t.equal(which, 'completed')
    end,
  },
  {
    'keys within the dead time answer nothing',
    function(t)
      local s = t.coding({ setup = { dead_time = 500 }, replay = asking(t) })
      s:ask('run it')
      t.open_question(s)
      s:keys('a')
      s:keys('a')
      s:keys('<CR>')
      t.equal(s:lua("return #require('lanebridge.approval').list()"), 1, 'it was answered at once')
      t.rest(800)
      s:keys('d')
      t.equal(s:wait_turn(), 'completed')
      t.equal(t.read(s.work .. '/made.txt'), nil)
    end,
  },
  {
    'typing at 10 keys a second while approvals and edits arrive: none accepted, no key lost',
    function(t)
      local steps = { { rollout = 'busy', match = { text = 'be busy' } } }
      local old = 'int one = 1;'
      for i = 1, 4 do
        local new = ('int one = %d;'):format(i + 1)
        steps[#steps + 1] = t.patches('p' .. i, t.patch('a.c', { '-' .. old, '+' .. new }))
        old = new
      end
      steps[#steps + 1] = t.runs('r', 'echo made > made.txt', { escalate = true, justification = 'why not' })
      steps[#steps + 1] = t.says('Enough.')
      local s = t.session({
        files = { ['a.c'] = 'int one = 1;\n\n\n\n\n\n' .. ('int more;\n'):rep(20) .. '\n' },
        open = 'a.c',
        setup = { dead_time = 500 },
        replay = steps,
      })
      s:cmd('normal! G')
      s:ask('be busy')
      s:keys('i')
      local typed = 'a1d2n3 aaaa dddd nnnn yyyy 1111 2222 qqqq aaaa all of it stays'
      for character in typed:gmatch('.') do
        s:keys(character)
        vim.wait(100)
      end
      s:wait('the question', waiting, 1)
      s:keys('<Esc>')
      local lines = s:lines('a.c')
      t.equal(lines[#lines], typed, 'keys were lost')
      t.equal(lines[1], 'int one = 5;')
      t.equal(s:lua("return #require('lanebridge.approval').list()"), 1, 'it was answered')
      t.equal(t.read(s.work .. '/made.txt'), nil, 'the command ran')
      s:cmd('Lanebridge stop')
      t.equal(s:wait_turn(), 'interrupted')
      t.equal(s:wait('it to be withdrawn', waiting, 0), true)
    end,
  },
  {
    'questions of the model, one after the other',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'q', match = { text = 'ask me' } },
          {
            emit = {
              {
                type = 'function_call',
                call = 'q',
                name = 'ask_user',
                arguments = {
                  questions = {
                    {
                      question = 'Which colour?',
                      options = {
                        { label = 'red', description = 'warm' },
                        { label = 'blue', description = 'cold' },
                      },
                    },
                  },
                },
              },
            },
          },
          t.says('Blue it is.', { expect = { outputs = { q = 'blue' } } }),
        },
      })
      s:ask('ask me')
      t.open_question(s)
      t.contains(table.concat(s:lua('return vim.api.nvim_buf_get_lines(0, 0, -1, false)'), '\n'), 'Which colour?')
      t.rest()
      s:keys('2')
      t.equal(s:wait_turn(), 'completed')
    end,
  },
  {
    'the question of trust, and a turn that waits for it',
    function(t)
      local s = t.coding({
        setup = { trusted = false },
        replay = { { rollout = 'hello', match = { text = 'hello' } }, t.says('Hello.') },
      })
      s:ask('hello')
      t.open_question(s)
      t.contains(s:lua('return vim.api.nvim_get_current_line()'), 'Decline')
      t.rest()
      s:keys('a')
      t.equal(s:wait_turn(), 'completed')
    end,
  },
  {
    'a folder that is not trusted: my words come back to the prompt',
    function(t)
      local s = t.coding({ setup = { trusted = false } })
      s:open_chat()
      s:keys('ihello<C-s><Esc>')
      s:wait('the rule to say so', "return require('lanebridge.status').rule({ turns = {} }):find('asks you', 1, true)")
      t.open_question(s)
      t.rest()
      s:keys('d')
      s:wait('my words', "return vim.api.nvim_get_current_line() == 'hello'")
    end,
  },
  {
    'the question of trust goes away when the folder is trusted otherwise ($/cancelRequest)',
    function(t)
      local s = t.coding({
        setup = { trusted = false },
        replay = { { rollout = 'hello', match = { text = 'hello' } }, t.says('Hello.') },
      })
      s:ask('hello')
      t.open_question(s)
      s:lua("vim.schedule(function() vim.cmd('Lanebridge trust') end)")
      t.equal(s:wait_turn(), 'completed')
      s:wait('it to go', waiting, 0)
      t.equal(s:lua('return vim.api.nvim_win_get_config(0).relative'), '')
      s:wait_said('this is no longer asked')
    end,
  },
  {
    'an approval goes away with its turn, also while a note is written',
    function(t)
      local s = t.coding({ replay = asking(t) })
      s:ask('run it')
      t.open_question(s)
      t.rest()
      s:keys('n')
      s:wait('the line of input', "return vim.api.nvim_get_mode().mode == 'i'")
      s:keys('half a note')
      s:lua("require('lanebridge.ask').stop()")
      t.equal(s:wait_turn(), 'interrupted')
      s:wait('it to go', waiting, 0)
      s:wait('the float to go', "return vim.api.nvim_win_get_config(0).relative == ''")
      t.equal(t.read(s.work .. '/made.txt'), nil)
    end,
  },
  {
    'a key that is being typed goes away when its request is cancelled',
    function(t)
      local s = t.coding({
        key = '',
        token = 'only-this-one',
        replay = { { rollout = 'hello', match = { text = 'hello' } }, t.says('Hello.') },
      })
      s:ask('hello')
      t.open_question(s)
      t.rest()
      s:keys('k')
      s:keys('half a k')
      s:wait('the line', "return vim.api.nvim_get_mode().mode == 'c'")
      -- It is the only one that waits.
      s:lua("for id = 1, 99 do require('lanebridge.wire').on_cancel({ id = id }) end")
      s:wait('it to go', waiting, 0)
      s:wait('the line to go', "return vim.api.nvim_get_mode().mode == 'n'")
      s:wait_said('this is no longer asked')
    end,
  },
  {
    'the first key: asked for, refused, asked for again, and kept',
    function(t)
      local s = t.coding({
        key = '',
        token = 'the-right-one',
        replay = {
          { rollout = 'hello', match = { text = 'hello' } },
          t.says('Hello.'),
          { rollout = 'more', match = { text = 'more' }, takes_over = true },
          t.says('More.'),
        },
      })
      s:ask('hello')
      for _, key in ipairs({ 'a-wrong-one', 'the-right-one' }) do
        t.open_question(s)
        t.rest()
        s:keys('k')
        s:wait('the line', "return vim.api.nvim_get_mode().mode == 'c'")
        s:keys(key .. '<CR>')
        if key == 'a-wrong-one' then
          s:wait(
            'it to be refused',
            [[
            local one = require('lanebridge.approval').list()[1]
            return one and one.params.refused
          ]]
          )
        end
      end
      t.equal(s:wait_turn(), 'completed')
      s:ask('more')
      t.equal(s:wait_turn(2), 'completed')
      t.equal(s:lua("return vim.fn.histget('input', -1):find('right') ~= nil"), false)
    end,
  },
  {
    'no key: another endpoint instead, my words are in the prompt again',
    function(t)
      local s = t.coding({ key = '', token = 'some-key' })
      s:ask('hello there')
      t.open_question(s)
      t.rest()
      s:keys('u')
      s:wait('the line of input', "return vim.api.nvim_get_mode().mode == 'i'")
      s:keys('ws://127.0.0.1:9/none<CR>')
      s:wait_said('the endpoint is ws://127.0.0.1:9/none')
      s:wait('my words', t.of_chat .. "return view:prompt() == 'hello there'")
      s:cmd('Lanebridge status')
      s:wait('the endpoint', "return vim.fn.search('^endpoint *ws://127.0.0.1:9/none') > 0")
    end,
  },
}
