-- Felt speed, printed and not judged: a busy machine says nothing of the plugin. A case fails if keys or words do not
-- arrive at all. A token has four letters here.
local function percentile(list, share)
  table.sort(list)
  return list[math.max(1, math.ceil(#list * share))]
end

local function measured(t, what, took)
  t.measured(
    ('%s: p50 %.1f ms, p95 %.1f ms of %d keys'):format(what, percentile(took, 0.5), percentile(took, 0.95), #took)
  )
end

--- Types into the current line; milliseconds from key to text.
local function type_along(s, count, gap)
  -- Neovim takes keys that wait together, in one change: the line's length says how many are there.
  s:lua([[
    _G.seen = {}
    local before = #vim.api.nvim_get_current_line()
    vim.api.nvim_buf_attach(0, false, { on_lines = function(_, buf, _, first)
      local line = vim.api.nvim_buf_get_lines(buf, first, first + 1, false)[1] or ''
      if line:match('x$') and not line:match('[^x]') then
        local now = tostring(vim.uv.hrtime())
        for i = #_G.seen + 1, #line - before do _G.seen[i] = now end
      end
    end })
  ]])
  local sent = {}
  for _ = 1, count do
    sent[#sent + 1] = vim.uv.hrtime()
    vim.rpcnotify(s.channel, 'nvim_input', 'x')
    vim.wait(gap)
  end
  s:wait('all keys', 'return #_G.seen >= ...', count)
  local seen = s:lua('return _G.seen')
  local took = {}
  for i = 1, count do
    took[i] = (tonumber(seen[i]) - sent[i]) / 1e6
  end
  return took
end

local words = 'A line of an answer, with `code`, **words** and so on.\n' -- 55 letters

local function answers(t, tokens, pace)
  return t.coding({
    replay = {
      { rollout = 'long', match = { text = 'long' } },
      { emit = { { type = 'message', text = words:rep(math.ceil(tokens * 4 / #words)) } }, pace = pace },
    },
  })
end

local function wait_words(s)
  s:wait_chat('A line of')
end

return {
  {
    'typing in a file beside 1,000 tokens a second, for 60 s in the full run, and beside 4,000',
    function(t)
      for _, rate in ipairs({ { 1000, 4, t.full and 60 or 2 }, { 4000, 16, 2 } }) do
        local s = answers(t, rate[1] * rate[3], { delta_ms = 1, chunk = rate[2] })
        s:keys('Go')
        s:ask('a long one')
        wait_words(s)
        measured(t, ('typing beside %d tokens a second'):format(rate[1]), type_along(s, rate[3] * 40, 20))
        s:close()
      end
    end,
  },
  {
    'typing in a file while 4,000 tokens come at once',
    function(t)
      local s = answers(t, 4000, { delta_ms = 0, chunk = 4 })
      s:keys('Go')
      s:ask('a long one')
      measured(t, 'typing beside a burst of 4,000 tokens', type_along(s, 60, 15))
      t.equal(s:wait_turn(), 'completed')
    end,
  },
  {
    'typing in the prompt while the answer streams above it',
    function(t)
      local s = answers(t, 6000, { delta_ms = 1, chunk = 16 })
      s:open_chat()
      s:keys('ia long one<C-s>')
      wait_words(s)
      measured(t, 'typing below the stream', type_along(s, 80, 15))
    end,
  },
  {
    'from Enter to the first words, from Stop to ready, from edit to painted hunk',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'warm', match = { text = 'warm' }, takes_over = true },
          t.says('Hello.'),
          { rollout = 'one', match = { text = 'first' }, takes_over = true },
          {
            emit = {
              { type = 'message', phase = 'commentary', text = 'I see it.' },
              t.patches('p', t.patch('a.c', { '-    return 1;', '+    return 0;' })).emit[1],
            },
          },
          { emit = { { type = 'message', text = ('On and on. '):rep(3000) } }, pace = { delta_ms = 5, chunk = 8 } },
        },
      })
      s:open_chat()
      s:keys('iwarm up<C-s>')
      t.equal(s:wait_turn(), 'completed')
      s:lua([[
        _G.times = {}
        local function note(name) _G.times[name] = _G.times[name] or vim.uv.hrtime() end
        vim.api.nvim_create_autocmd('User', { pattern = 'LanebridgeHunks', callback = function()
          if require('lanebridge.hunks').count() > 0 then note('painted') end
        end })
        vim.api.nvim_buf_attach(vim.fn.bufnr('a.c'), false, { on_lines = function() note('edited') end })
        vim.api.nvim_buf_attach(0, false, { on_lines = function(_, buf, _, first, _, last)
          local new = table.concat(vim.api.nvim_buf_get_lines(buf, first, last, false), '\n')
          if new:find('I see', 1, true) then note('words') end
        end })
      ]])
      s:keys('first')
      s:wait('the words', "return vim.api.nvim_get_current_line() == 'first'")
      s:lua("_G.times.asked = vim.uv.hrtime() vim.api.nvim_input('<C-s>')")
      s:wait_chat('On and on.')
      s:wait('the painted hunk', 'return _G.times.painted ~= nil')
      local told = s:lua([[
        local at = vim.tbl_map(function(ns) return ns / 1e6 end, _G.times)
        return { at.words - at.asked, at.painted - at.edited }
      ]])
      t.measured(('from Enter to the first character: %.1f ms (a recording, no model)'):format(told[1]))
      t.measured(('from edit to painted hunk: %.1f ms'):format(told[2]))
      local stop = s:lua([[
        local start = vim.uv.hrtime()
        vim.cmd('Lanebridge stop')
        assert(vim.wait(20000, function() return not require('lanebridge.state').busy() end, 1))
        return (vim.uv.hrtime() - start) / 1e6
      ]])
      t.measured(('from Stop to ready: %.1f ms'):format(stop))
    end,
  },
  {
    'from the answer to an approval to the start of its command',
    function(t)
      local s = t.coding({
        replay = {
          { rollout = 'run', match = { text = 'run it' } },
          t.runs('r', 'date +%s%N > started', { escalate = true, justification = 'to see when' }),
          t.says('Done.'),
        },
      })
      s:ask('run it')
      t.open_question(s)
      t.rest()
      local answered = s:lua([[
        local seconds, microseconds = vim.uv.gettimeofday()
        vim.api.nvim_input('a')
        return { seconds, microseconds }
      ]])
      t.equal(s:wait_turn(), 'completed')
      local at = t.read(s.work .. '/started')
      local seconds, rest = at:match('^(%d+)(%d%d%d%d%d%d%d%d%d)\n$')
      local ms = (tonumber(seconds) - answered[1]) * 1e3 + tonumber(rest) / 1e6 - answered[2] / 1e3
      t.measured(('from an approval to the start of its command: %.1f ms, its own start included'):format(ms))
    end,
  },
}
