-- Changes in git: reviewed, and a message for their commit.
local function repository(t, replay)
  local s = t.session({ files = { ['a.c'] = t.program }, replay = replay })
  vim.fn.delete(s.work .. '/.git', 'rf')
  local function git(...)
    local done = vim
      .system({ 'git', '-C', s.work, '-c', 'user.name=A', '-c', 'user.email=a@b.c', ... }, { text = true })
      :wait()
    assert(done.code == 0, done.stderr)
  end
  git('init', '-q', '-b', 'main')
  git('add', 'a.c')
  git('commit', '-q', '-m', 'first')
  t.write(s.work .. '/a.c', (t.program:gsub('1', '2')))
  git('add', 'a.c')
  s:edit('a.c')
  return s
end

return {
  {
    'what is staged is reviewed; a branch and a commit are asked for',
    function(t)
      local s = repository(t, {
        { rollout = 'staged', match = { text = 'staged' } },
        t.says('It is good.'),
        { rollout = 'branch', match = { text = 'trunk' }, takes_over = true },
        t.says('The branch is good.'),
      })
      s:choose('What is staged')
      s:cmd('Lanebridge review')
      s:wait_chat('It is good.')
      t.equal(s:wait_turn(1), 'completed')
      s:lua("vim.ui.input = function(_, on_done) on_done('trunk') end")
      s:choose('This branch')
      s:cmd('Lanebridge review')
      s:wait_chat('The branch is good.')
      t.equal(s:wait_turn(2), 'completed')
      s:cmd('Lanebridge review everything')
      s:wait_said('there is no "everything" to review')
    end,
  },
  {
    'a message, into the commit that is being written',
    function(t)
      local s = repository(t, {
        { rollout = 'message', match = { text = 'ommit' } },
        t.says('a: two, not one\n\nIt was one before.'),
      })
      t.write(s.work .. '/.git/COMMIT_EDITMSG', '\n# What will be committed:\n')
      s:cmd('edit ' .. s.work .. '/.git/COMMIT_EDITMSG')
      s:cmd('setfiletype gitcommit')
      s:cmd('Lanebridge commit')
      s:wait('the message', "return vim.fn.getline(1) == 'a: two, not one'")
      t.equal(s:lua('return vim.api.nvim_buf_get_lines(0, 0, -1, false)'), {
        'a: two, not one',
        '',
        'It was one before.',
        '# What will be committed:',
      })
      t.equal(s:chat(), '', 'a chat was opened')
    end,
  },
  {
    'a message, shown where there is no commit to put it in; what is wrong is said',
    function(t)
      local s = repository(t, { { rollout = 'message', match = { text = 'ommit' } }, t.says('a: two, not one') })
      s:cmd('Lanebridge commit')
      s:wait('the message', "return vim.bo.filetype == 'gitcommit' and vim.fn.getline(1) == 'a: two, not one'")
      s:cmd('close')
      s:lua([[vim.fn.system({ 'git', '-C', vim.fs.dirname(vim.api.nvim_buf_get_name(0)), 'reset', '-q', '--hard' })]])
      s:cmd('edit!')
      s:cmd('Lanebridge commit')
      s:wait('an error', 'return _G.messages[#_G.messages].level == vim.log.levels.ERROR')
    end,
  },
}
