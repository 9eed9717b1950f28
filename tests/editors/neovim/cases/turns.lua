-- Whole turns: ask, watch it stream, edits land in the buffer.
return {
  {
    'ask, and read the answer in the chat',
    function(t)
      local s = t.coding({
        replay = { { rollout = 'hello', match = { text = 'hello' } }, t.says('Hello **you**.\n\nSecond.') },
      })
      s:ask('hello there')
      t.equal(s:wait_turn(), 'completed')
      s:wait_chat('Hello **you**.\n\nSecond.')
      t.contains(s:chat(), '## You\nhello there')
    end,
  },
  {
    'an edit lands in the buffer and is saved through it',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'fix', match = { text = 'fix' } },
          t.patches('p', t.patch('a.c', { '-    return 1;', '+    return 0;' })),
          t.says('Done.', { expect = { outputs = { p = 'a.c' } } }),
        },
      })
      s:ask('fix it')
      t.equal(s:wait_turn(), 'completed')
      t.equal(s:lines('a.c')[3], '    return 0;')
      t.equal(t.read(s.work .. '/a.c'), (t.program:gsub('return 1', 'return 0')))
    end,
  },
}
