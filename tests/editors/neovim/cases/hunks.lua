-- Review: hunks in the buffer, decided on there; the turn undone around what was typed since.
local program = table.concat({
  'int first(void)',
  '{',
  '    return 1;',
  '}',
  '',
  'int second(void)',
  '{',
  '    return 2;',
  '}',
  '',
}, '\n')

local function two_hunks(t)
  return {
    { rollout = 'fix', match = { text = 'fix' } },
    t.patches(
      'p',
      table.concat({
        '*** Begin Patch',
        '*** Update File: a.c',
        '@@',
        '-    return 1;',
        '+    return 10;',
        '+    /* ten */',
        '@@ int second(void)',
        ' {',
        '-    return 2;',
        '+    return 20;',
        '*** End Patch',
      }, '\n')
    ),
    t.says('Done.'),
  }
end

local count = "return require('lanebridge.hunks').count() == ..."

local function edited(t, more)
  local s = t.session(vim.tbl_deep_extend('force', {
    files = { ['a.c'] = program },
    open = 'a.c',
    replay = two_hunks(t),
  }, more or {}))
  s:ask('fix it')
  t.equal(s:wait_turn(), 'completed')
  s:wait('two hunks', count, 2)
  return s
end

local function shown(s)
  return s:lua([[
    local space = vim.api.nvim_get_namespaces().lanebridge_hunks
    local out = {}
    for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, space, 0, -1, { details = true })) do
      local details = mark[4]
      if details.virt_lines then
        table.insert(out, { mark[2], 'old', vim.trim(details.virt_lines[1][1][1]) })
      elseif details.hl_group then
        table.insert(out, { mark[2], 'new', details.end_row })
      end
    end
    table.sort(out, function(a, b) return a[1] == b[1] and a[2] < b[2] or a[1] < b[1] end)
    return out
  ]])
end

return {
  {
    'are shown in place, with the old lines above',
    function(t)
      local s = edited(t)
      t.equal(shown(s), {
        { 2, 'new', 4 },
        { 2, 'old', 'return 1;' },
        { 8, 'new', 9 },
        { 8, 'old', 'return 2;' },
      })
      t.contains(s:lua("return require('lanebridge').statusline()"), '2 hunks')
    end,
  },
  {
    'one accepted, the other rejected',
    function(t)
      local s = edited(t)
      s:cmd('1')
      s:cmd('Lanebridge next')
      t.equal(s:lua('return vim.api.nvim_win_get_cursor(0)[1]'), 3)
      s:cmd('Lanebridge accept')
      s:wait('one hunk', count, 1)
      s:cmd('Lanebridge next')
      t.equal(s:lua('return vim.api.nvim_win_get_cursor(0)[1]'), 9)
      s:cmd('Lanebridge reject')
      s:wait('no hunk', count, 0)
      t.equal(s:lines('a.c')[3], '    return 10;')
      t.equal(s:lines('a.c')[9], '    return 2;')
      t.equal(shown(s), {})
    end,
  },
  {
    'by suggested keys, over a range, and all of a file',
    function(t)
      local s = edited(t, { setup = { keys = true, prefix = ',' } })
      s:keys('ggVG,n')
      s:wait('no hunk', count, 0)
      t.equal(table.concat(s:lines('a.c'), '\n') .. '\n', program)
    end,
  },
  {
    'in the quickfix list',
    function(t)
      local s = edited(t)
      s:cmd('Lanebridge hunks')
      local list = s:lua([[
        return vim.tbl_map(function(entry) return { entry.lnum, entry.text } end, vim.fn.getqflist())
      ]])
      t.equal(list, { { 3, '+2 −1  return 10;' }, { 9, '+1 −1  return 20;' } })
    end,
  },
  {
    'amended: what is written counts, accepted',
    function(t)
      local s = edited(t)
      s:cmd('3')
      s:cmd('Lanebridge amend')
      s:lua("vim.api.nvim_buf_set_lines(0, 0, -1, false, { '    return 11;' })")
      s:cmd('write')
      s:wait('one hunk', count, 1)
      t.equal(s:lines('a.c')[3], '    return 11;')
      t.equal(s:lines('a.c')[4], '}')
    end,
  },
  {
    'move with what is typed above them',
    function(t)
      local s = edited(t)
      s:keys('ggOnew line<Esc>')
      s:wait('the line', "return vim.api.nvim_buf_get_lines(0, 0, 1, false)[1] == 'new line'")
      s:cmd('10')
      s:cmd('Lanebridge reject')
      s:wait('one hunk', count, 1)
      t.equal(s:lines('a.c')[1], 'new line')
      t.equal(s:lines('a.c')[10], '    return 2;')
    end,
  },
  {
    "the editor's own undo takes the edit back, and the hunks with it",
    function(t)
      local s = edited(t)
      s:keys('u')
      s:wait('no hunk', count, 0)
      t.equal(table.concat(s:lines('a.c'), '\n') .. '\n', program)
    end,
  },
  {
    'the turn is undone, and what was typed since stays',
    function(t)
      local s = edited(t)
      s:keys('Gomine<Esc>')
      s:wait('my line', "return vim.api.nvim_buf_get_lines(0, -2, -1, false)[1] == 'mine'")
      s:cmd('Lanebridge undo')
      s:wait('no hunk', count, 0)
      t.equal(table.concat(s:lines('a.c'), '\n') .. '\n', program .. 'mine\n')
      t.contains(s:lua('return vim.inspect(_G.messages)'), 'undone: a.c')
      -- One step of the undo tree each: the undoing, my line, the edit.
      s:keys('u')
      s:wait('the edit to be back', "return vim.api.nvim_buf_get_lines(0, 2, 3, false)[1] == '    return 10;'")
      t.equal(s:lua('return vim.api.nvim_buf_get_lines(0, -2, -1, false)[1]'), 'mine')
      s:keys('u')
      s:wait('my line to go', "return vim.api.nvim_buf_get_lines(0, -2, -1, false)[1] ~= 'mine'")
      t.equal(s:lines('a.c')[3], '    return 10;')
    end,
  },
  {
    'review before: proposed, not applied; accepting is the edit',
    function(t)
      local s = t.session({
        files = { ['a.c'] = program },
        open = 'a.c',
        replay = two_hunks(t),
        setup = { settings = { review = 'before' } },
      })
      s:ask('fix it')
      t.equal(s:wait_turn(), 'completed')
      s:wait('two hunks', count, 2)
      t.equal(table.concat(s:lines('a.c'), '\n') .. '\n', program)
      s:cmd('8')
      s:cmd('Lanebridge accept')
      s:wait('one hunk', count, 1)
      t.equal(s:lines('a.c')[8], '    return 20;')
      t.equal(s:lines('a.c')[3], '    return 1;')
    end,
  },
  {
    'asked for at the cursor, shown in place',
    function(t)
      local s = t.session({
        files = { ['a.c'] = program },
        open = 'a.c',
        replay = two_hunks(t),
        setup = { keys = true, prefix = ',' },
      })
      s:keys('3GVj,e')
      s:wait('the line of input', "return vim.api.nvim_get_mode().mode == 'i'")
      s:keys('fix these<CR>')
      t.equal(s:wait_turn(), 'completed')
      s:wait('two hunks', count, 2)
      t.equal(#s:lua('return vim.api.nvim_list_wins()'), 1, 'a window was opened')
    end,
  },
  {
    'the diff beside the file',
    function(t)
      local s = edited(t)
      s:cmd('Lanebridge diff')
      local before = s:lua([[
        for _, win in ipairs(vim.api.nvim_list_wins()) do
          local buf = vim.api.nvim_win_get_buf(win)
          if vim.api.nvim_buf_get_name(buf):match('^lanebridge://before') then
            return table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, false), '\n') .. '\n'
          end
        end
      ]])
      t.equal(before, program)
    end,
  },
  {
    'the file in two windows and a second tab: shown in all, decided on from any',
    function(t)
      local s = edited(t)
      s:cmd('split')
      s:cmd('tab split')
      s:cmd('1')
      s:cmd('Lanebridge next')
      s:cmd('Lanebridge accept')
      s:wait('one hunk', count, 1)
      s:cmd('tabclose')
      s:cmd('Lanebridge next')
      t.equal(s:lua('return vim.api.nvim_win_get_cursor(0)[1]'), 9)
      s:cmd('Lanebridge reject')
      s:wait('no hunk', count, 0)
      t.equal(s:lines('a.c')[9], '    return 2;')
      t.equal(shown(s), {})
    end,
  },
  {
    'from the chat, after a question: the file is shown beside it, not in its place',
    function(t)
      local s = edited(t)
      s:open_chat()
      local chat = s:lua('return vim.api.nvim_get_current_win()')
      s:lua([[
        coroutine.wrap(function()
          require('lanebridge.approval').on_approval({ kind = 'trust', title = 'Really?', show = 'x', reason = '', rules = {} })
        end)()
      ]])
      t.contains(
        s:lua('return vim.inspect(vim.api.nvim_buf_get_extmarks(0, -1, 0, -1, { details = true }))'),
        'asks you'
      )
      t.open_question(s)
      t.rest()
      s:keys('d')
      s:wait('the chat', 'return vim.api.nvim_get_current_win() == ...', chat)
      s:cmd('Lanebridge next')
      t.equal(s:lua('return vim.api.nvim_win_get_cursor(0)[1]'), 3)
      t.equal(s:lua('return vim.b[vim.api.nvim_win_get_buf(...)].lanebridge_thread ~= nil', chat), true)
      s:cmd('wincmd p')
      t.equal(s:lua('return vim.api.nvim_get_current_win()'), chat)
    end,
  },
}
