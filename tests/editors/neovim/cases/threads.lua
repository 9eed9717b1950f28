-- Conversations: found, copied, taken over, put away; mode, model and effort; plans; what is sent.
local function two_turns(t)
  return t.coding({
    replay = {
      { rollout = 'one', match = { text = 'apples' } },
      t.says('Red ones.'),
      { rollout = 'two', match = { text = 'pears' }, takes_over = true },
      t.says('Green ones.'),
    },
  })
end

local function both_asked(t)
  local s = two_turns(t)
  s:ask('apples')
  t.equal(s:wait_turn(1), 'completed')
  s:ask('pears')
  t.equal(s:wait_turn(2), 'completed')
  s:wait_chat('Green ones.')
  return s
end

local shown = 'return vim.b.lanebridge_thread and table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\\n")'

return {
  {
    'forked at an earlier turn: what came later is not in the copy',
    function(t)
      local s = both_asked(t)
      s:open_chat()
      local before = s:lua('return vim.b.lanebridge_thread')
      s:cmd([[call search('Red ones')]])
      s:keys('F')
      s:wait('the copy', 'return vim.b.lanebridge_thread ~= ...', before)
      s:wait('its history', 'return vim.fn.search("Red ones", "nw") > 0')
      t.equal(s:lua(shown):find('Green ones', 1, true), nil, 'the later turn is there')
      s:wait_said('this is the copy')
    end,
  },
  {
    'renamed, exported as Markdown and as JSON',
    function(t)
      local s = both_asked(t)
      s:cmd('Lanebridge rename A better title')
      s:wait_chat('# A better title')
      s:cmd('Lanebridge export')
      s:wait('the export', "return vim.api.nvim_buf_get_name(0):match('export') and vim.fn.search('Green') > 0")
      s:cmd('close')
      s:cmd('Lanebridge export json')
      s:wait('the export', "return vim.bo.filetype == 'json'")
      local text = s:lua('return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\\n")')
      t.contains(vim.inspect(vim.json.decode(text)), 'Green ones.')
    end,
  },
  {
    'found by a word of a prompt, and opened',
    function(t)
      local s = two_turns(t)
      s:ask('apples')
      t.equal(s:wait_turn(1), 'completed')
      s:cmd('Lanebridge new pears')
      s:wait_chat('Green ones.')
      s:choose('apples')
      s:cmd('Lanebridge threads')
      t.equal(#s:wait('the picker', 'return _G.offered'), 2)
      s:cmd('Lanebridge threads appl')
      s:wait('one', 'return #_G.offered == 1')
      s:wait('its conversation', 'return vim.fn.search("Red ones", "nw") > 0')
      s:cmd('Lanebridge threads plums')
      s:wait_said('nothing is found for "plums"')
    end,
  },
  {
    'archived, found with ! and taken back out; deleted after a question',
    function(t)
      local s = both_asked(t)
      s:cmd('Lanebridge archive')
      s:wait_said('archived')
      s:cmd('Lanebridge threads')
      s:wait_said('no conversation here yet')
      s:choose('archived')
      s:cmd('Lanebridge! threads')
      s:wait('its conversation', 'return vim.fn.search("Green ones", "nw") > 0')
      s:cmd('Lanebridge archive no')
      s:wait_said('among the others again')
      s:choose('Keep it')
      s:cmd('Lanebridge delete')
      s:choose('apples')
      s:cmd('Lanebridge threads')
      s:wait('it', 'return _G.offered and not _G.offered[1]:find("archived", 1, true)')
      s:choose('Delete it')
      s:cmd('Lanebridge delete')
      s:wait_said('deleted')
      s:lua('_G.offered = nil')
      s:choose('x')
      s:cmd('Lanebridge! threads')
      s:wait('none', [[return select(2, vim.inspect(_G.messages):gsub('no conversation here yet', '')) == 2]])
    end,
  },
  {
    'taken over from another Neovim, or only read',
    function(t)
      local s = two_turns(t)
      s:ask('apples')
      t.equal(s:wait_turn(1), 'completed')
      s:wait_chat('Red ones.')
      local other = s:another()
      other:lua([[
        vim.ui.select = function(items, options, on_choice)
          if type(items[1]) == 'table' then
            _G.offered = options.format_item(items[1])
            return on_choice(items[1], 1)
          end
          _G.asked = options.prompt
          on_choice(items[2], 2)
        end
      ]])
      other:cmd('Lanebridge threads')
      other:wait_said('the conversation is yours now')
      t.contains(other:lua('return _G.offered'), 'open in another editor')
      t.contains(other:lua('return _G.asked'), 'open in another editor')
      other:wait('its history', 'return vim.fn.search("Red ones", "nw") > 0')
      other:ask('pears')
      other:wait_chat('Green ones.')
      t.equal(other:wait_turn(2), 'completed')
      other:close()
    end,
  },
  {
    'a plan: the steps that are left are carried out',
    function(t)
      local plan = { { step = 'Rename it', status = 'pending' }, { step = 'Drop the old', status = 'pending' } }
      local s = t.coding({
        setup = { settings = { mode = 'plan' } },
        replay = {
          { rollout = 'plan', match = { text = 'plan it' } },
          {
            emit = {
              {
                type = 'function_call',
                call = 'p',
                name = 'update_plan',
                arguments = { explanation = 'Two steps.', plan = plan },
              },
            },
          },
          t.says('This is the plan.'),
          { rollout = 'do', match = { text = 'Rename it well' }, takes_over = true },
          t.says('Renamed.', { expect = { text = 'Rename it well' } }),
        },
      })
      s:ask('plan it')
      t.equal(s:wait_turn(1), 'completed')
      s:wait_chat('This is the plan.')
      s:wait_chat('- [ ] Drop the old')
      s:wait_chat('has its steps carried out')
      s:cmd('Lanebridge plan')
      s:wait('the steps', "return vim.api.nvim_buf_get_name(0):match('plan/')")
      t.equal(s:lua('return vim.api.nvim_buf_get_lines(0, 0, -1, false)'), { '- Rename it', '- Drop the old' })
      s:keys('jddA well<Esc>')
      s:wait('my words', "return vim.deep_equal(vim.api.nvim_buf_get_lines(0, 0, -1, false), { '- Rename it well' })")
      s:cmd('write')
      s:wait_chat('Renamed.')
      t.equal(s:wait_turn(2), 'completed')
      t.equal(s:chat():find('has its steps', 1, true), nil, 'the hint stays')
      t.equal(s:lua("return vim.fn.bufexists('lanebridge://plan')"), 0)
    end,
  },
  {
    'mode, model and effort: named, or chosen from a list',
    function(t)
      local s = t.coding()
      s:cmd('Lanebridge mode plan')
      s:wait_said('mode: plan')
      s:cmd('Lanebridge model small')
      s:wait_said('model: small')
      s:choose('high')
      s:cmd('Lanebridge effort')
      s:wait_said('effort: high')
      s:choose('gpt-6-astra')
      s:cmd('Lanebridge model')
      s:wait_said('model: gpt-6-astra')
      t.contains(s:lua('return _G.offered[1]'), 'as in the settings')
      s:choose('your rules decide')
      s:cmd('Lanebridge mode')
      s:wait_said('mode: auto')
      t.contains(s:lua('return _G.offered[2]'), 'in use')
      s:open_chat()
      t.contains(s:lua("return require('lanebridge.status').winbar()"), 'gpt-6-astra · high · auto')
    end,
  },
  {
    'the menu: what can be done now, with its keys',
    function(t)
      local s = t.coding({
        setup = { keys = true, prefix = ',' },
        replay = { { rollout = 'long', match = { text = 'long' } }, t.runs('r', 'sleep 20') },
      })
      s:choose('status')
      s:keys(',p')
      local offered = table.concat(s:wait('the menu', 'return _G.offered'), '\n')
      t.contains(offered, 'review')
      t.contains(offered, ',v')
      t.equal(offered:find('stop', 1, true), nil, 'nothing runs')
      s:wait('the status', "return vim.fn.search('^sandbox ') > 0")
      s:cmd('close')
      s:ask('a long one')
      s:wait_running()
      s:choose('stop')
      s:keys(',p')
      t.equal(s:wait_turn(), 'interrupted')
    end,
  },
  {
    'what a prompt would send, and what was sent',
    function(t)
      local s = both_asked(t)
      s:cmd('Lanebridge preview look at @a.c')
      s:wait('the preview', "return vim.fn.search('named only') > 0")
      s:cmd('close')
      s:cmd('Lanebridge sent')
      s:wait('what was sent', "return vim.fn.search('^## turn to') > 0")
      t.equal(s:lua("return vim.fn.search('only what was new')") > 0, true, 'not the last turn')
      s:cmd('close')
      s:open_chat()
      s:cmd([[call search('Red ones')]])
      s:cmd('Lanebridge sent')
      s:wait('what was sent', "return vim.fn.search('^## turn to') > 0")
      t.equal(s:lua("return vim.fn.search('only what was new')"), 0, 'not the turn at the cursor')
    end,
  },
  {
    'the prompt itself is looked at, before it is sent',
    function(t)
      local s = t.coding()
      s:open_chat()
      s:keys('ilook at @a.c<Esc>')
      s:wait('my words', t.of_chat .. "return view:prompt() == 'look at @a.c'")
      s:cmd('Lanebridge preview')
      s:wait('the preview', "return vim.fn.search('file.*named only') > 0")
    end,
  },
  {
    'a session brings its chat back, and edit in a chat reads it again',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'one', match = { text = 'first' } },
          t.says('Hello there.'),
          { rollout = 'two', match = { text = 'second' }, takes_over = true },
          t.says('Second answer.'),
        },
      })
      s:ask('first')
      t.equal(s:wait_turn(), 'completed')
      s:open_chat()
      s:cmd('edit')
      s:wait_chat('Hello there.')
      s:cmd('mksession ' .. s.dir .. '/Session.vim')
      s:end_editor()
      s:start_editor(vim.tbl_extend('force', s.wanted, { open = false }))
      s:cmd('source ' .. s.dir .. '/Session.vim')
      s:wait_chat('Hello there.')
      t.equal(s:lua('return #vim.api.nvim_tabpage_list_wins(0)'), 2)
      s:open_chat()
      t.equal(s:lua('return #vim.api.nvim_tabpage_list_wins(0)'), 2)
      s:keys('isecond<C-s>')
      s:wait_chat('## You\nsecond\n')
      s:wait_chat('Second answer.')
    end,
  },
  {
    'where something else fills the buffer the folder is that of Neovim',
    function(t)
      local s = t.coding({ replay = { { rollout = 'one', match = { text = 'first' } }, t.says('Hello there.') } })
      s:cmd('enew')
      s:cmd('file fugitive://somewhere//0/a.c')
      s:ask('first')
      t.equal(s:wait_turn(), 'completed')
      t.equal(s:lua("return vim.uv.fs_realpath(require('lanebridge.client').root(0))"), s.work)
    end,
  },
}
