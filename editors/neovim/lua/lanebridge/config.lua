-- Options: the defaults, and what `setup()` was given.

---@class lanebridge.ChatOptions
---@field position? 'right'|'left'|'bottom'|'tab'|'here' where the chat opens
---@field width? number of columns; below 1 a share of the screen
---@field height? number of lines, at the bottom; below 1 a share of the screen
---@field output_lines? integer lines of a command's output that are shown

---@class lanebridge.SuggestOptions
---@field enabled? boolean inline completion while you type
---@field debounce? integer milliseconds of rest before the server is asked (own one, Neovim below 0.12)

---@class lanebridge.Options
---@field cmd? string[] the server's command line
---@field settings? table settings of Lanebridge, as in its README
---@field trusted? boolean you vouch for the folders you open; else each is asked about once
---@field root? fun(bufnr: integer): string? the folder a buffer belongs to
---@field autostart? boolean start with the first file; else with the first `:Lanebridge`
---@field keys? boolean set the suggested maps
---@field prefix? string what the suggested maps begin with
---@field chat? lanebridge.ChatOptions
---@field badge? 'float'|'statusline' how a waiting question is shown
---@field dead_time? integer milliseconds in which a question that was opened takes no answer
---@field suggest? lanebridge.SuggestOptions
---@field secret? fun(name: string): string? gives a key; default: environment, else `:Lanebridge key` asks

local M = {}

---@type lanebridge.Options
M.defaults = {
  cmd = { 'lanebridge', 'lsp' },
  settings = {},
  trusted = false,
  autostart = true,
  keys = false,
  prefix = '<leader>a',
  chat = { position = 'right', width = 0.42, height = 0.4, output_lines = 200 },
  badge = 'float',
  dead_time = 500,
  suggest = { enabled = false, debounce = 200 },
}

---@type lanebridge.Options
M.options = vim.deepcopy(M.defaults)

---@param options? lanebridge.Options
---@return string[] problems
function M.set(options)
  local problems = {}
  local optional = { root = true, secret = true }
  for name in pairs(options or {}) do
    if M.defaults[name] == nil and not optional[name] then
      problems[#problems + 1] = ('setup{}: there is no option "%s"'):format(name)
    end
  end
  M.options = vim.tbl_deep_extend('force', vim.deepcopy(M.defaults), options or {})
  return problems
end

return M
