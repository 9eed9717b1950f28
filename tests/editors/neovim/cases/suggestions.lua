-- Inline completion: Neovim's own in 0.12, ours below.
local program = 'int main(void)\n{\n    int total = \n    return 0;\n}\n'

local visible = "return require('lanebridge.suggest').visible()"

local function typing(t)
  local s = t.session({
    files = { ['a.c'] = program },
    open = 'a.c',
    setup = {
      keys = true,
      suggest = { enabled = true, debounce = 50 },
    },
    replay = {
      { rollout = 'value', match = { text = 'int total = L<|cursor|>' } },
      t.says('IMIT * 2;'),
    },
  })
  s:cmd('3')
  s:keys('A')
  s:keys('L')
  s:wait('the suggestion', visible)
  return s
end

return {
  {
    'is shown while I type, and taken by Tab',
    function(t)
      local s = typing(t)
      t.equal(s:lua('return vim.api.nvim_get_current_line()'), '    int total = L')
      s:keys('<Tab>')
      s:wait('the text', "return vim.api.nvim_get_current_line() == '    int total = LIMIT * 2;'")
      s:keys('x')
      s:wait('the cursor behind it', "return vim.api.nvim_get_current_line() == '    int total = LIMIT * 2;x'")
    end,
  },
  {
    'is taken by words',
    function(t)
      local s = typing(t)
      s:keys('<M-w>')
      s:wait('the first word', "return vim.api.nvim_get_current_line() == '    int total = LIMIT'")
    end,
  },
  {
    'Tab is Tab where there is none',
    function(t)
      local s = t.session({ files = { ['a.c'] = program }, open = 'a.c', setup = { keys = true } })
      s:keys('Go<Tab>x')
      s:wait('a tab', "return vim.api.nvim_get_current_line():match('^%s+x$')")
    end,
  },
  {
    'goes away when I leave',
    function(t)
      local s = typing(t)
      s:keys('<Esc>')
      s:wait('it to go', "return not require('lanebridge.suggest').visible()")
      t.equal(s:lua('return vim.api.nvim_get_current_line()'), '    int total = L')
    end,
  },
}
