-- Felt speed, printed. The limits are those of a quiet machine with room: they catch what is badly wrong.
local program = 'int main(void)\n{\n    return 1;\n}\n'

local function percentile(list, share)
  table.sort(list)
  return list[math.max(1, math.ceil(#list * share))]
end

--- Types into the current buffer while something streams; milliseconds from key to text.
local function type_along(s, count, gap)
  -- Neovim takes keys that wait together, in one change: the line's length says how many are there.
  s:lua([[
    _G.seen = {}
    vim.api.nvim_buf_attach(0, false, { on_lines = function(_, buf, _, first)
      local line = vim.api.nvim_buf_get_lines(buf, first, first + 1, false)[1] or ''
      if line:match('^x+$') then
        local now = tostring(vim.uv.hrtime())
        for i = #_G.seen + 1, #line do _G.seen[i] = now end
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

local function streaming(t, pace, text)
  local s = t.session({
    files = { ['a.c'] = program },
    open = 'a.c',
    replay = {
      { rollout = 'long', match = { text = 'long' } },
      { emit = { { type = 'message', text = text } }, pace = pace },
    },
  })
  return s
end

return {
  {
    'typing beside a stream of 1,000 deltas a second, and of 4,000',
    function(t)
      for _, rate in ipairs({ { 1, 4, 1000 }, { 1, 16, 4000 } }) do
        local words = ('A line of an answer, with `code` and **words**.\n'):rep(rate[2] * 60)
        local s = streaming(t, { delta_ms = rate[1], chunk = rate[2] }, words)
        s:keys('Go')
        s:ask('a long one')
        s:wait(
          'the stream',
          [[
          for _, one in pairs(require('lanebridge.chat').views) do
            if one.height > 3 then return true end
          end
        ]]
        )
        local took = type_along(s, 100, 15)
        local p95 = percentile(took, 0.95)
        t.note(
          ('typing beside about %d characters a second of answer: p50 %.1f ms, p95 %.1f ms'):format(
            rate[3] * 4,
            percentile(took, 0.5),
            p95
          )
        )
        assert(p95 <= 20 * t.slack, ('p95 is %.1f ms'):format(p95))
      end
    end,
  },
  {
    'typing in the prompt while the answer streams above it',
    function(t)
      local s = streaming(t, { delta_ms = 1, chunk = 16 }, ('Some words of an answer.\n'):rep(1500))
      s:cmd('Lanebridge chat')
      s:wait('the chat', 'return vim.b.lanebridge_thread ~= nil')
      s:keys('ia long one<C-s>')
      s:wait_chat('Some words')
      local took = type_along(s, 100, 15)
      local p95 = percentile(took, 0.95)
      t.note(('typing below the stream: p50 %.1f ms, p95 %.1f ms'):format(percentile(took, 0.5), p95))
      assert(p95 <= 20 * t.slack, ('p95 is %.1f ms'):format(p95))
    end,
  },
  {
    'from Enter to the first words, from Stop to ready, from edit to painted hunk',
    function(t)
      local s = t.session({
        files = { ['a.c'] = program },
        open = 'a.c',
        replay = {
          { rollout = 'one', match = { text = 'first' } },
          t.patches('p', t.patch('a.c', { '-    return 1;', '+    return 0;' })),
          { emit = { { type = 'message', text = ('On and on. '):rep(3000) } }, pace = { delta_ms = 5, chunk = 8 } },
        },
      })
      s:lua([[
        require('lanebridge.state').listen(function(event, _, _, item)
          _G.times = _G.times or {}
          local name = event == 'item' and 'item ' .. item.type or event
          _G.times[name] = _G.times[name] or vim.uv.hrtime()
        end)
        vim.api.nvim_create_autocmd('User', { pattern = 'LanebridgeHunks', callback = function()
          if require('lanebridge.hunks').count() > 0 then
            _G.times.painted = _G.times.painted or vim.uv.hrtime()
          end
        end })
        vim.api.nvim_buf_attach(0, false, { on_lines = function() _G.times.edited = vim.uv.hrtime() end })
        _G.times = { asked = vim.uv.hrtime() }
        vim.cmd('Lanebridge ask first')
      ]])
      s:wait_chat('On and on.')
      s:wait('the painted hunk', 'return _G.times.painted ~= nil')
      local told = s:lua([[
        local at = vim.tbl_map(function(ns) return ns / 1e6 end, _G.times)
        return { at['item fileChange'] - at.asked, at.painted - at.edited }
      ]])
      t.note(
        ('Enter to the first item %.1f ms (recording, no model), edit to painted hunk %.1f ms'):format(told[1], told[2])
      )
      local stop = s:lua([[
        local start = vim.uv.hrtime()
        vim.cmd('Lanebridge stop')
        vim.wait(5000, function() return not require('lanebridge.state').busy() end, 1)
        return (vim.uv.hrtime() - start) / 1e6
      ]])
      t.note(('Stop to ready %.1f ms'):format(stop))
      assert(stop <= 50 * t.slack, ('stop takes %.1f ms'):format(stop))
    end,
  },
}
