-- Highlight groups: links that a colour scheme, or you, may set otherwise.
local M = {}

local groups = {
  LanebridgeAdd = 'DiffAdd',
  LanebridgeDelete = 'DiffDelete',
  LanebridgeSignAdd = 'Added',
  LanebridgeSignDelete = 'Removed',
  LanebridgeHint = 'NonText',
  LanebridgeRule = 'WinSeparator',
  LanebridgeDim = 'Comment',
  LanebridgeUser = 'CursorLine',
  LanebridgeRunning = 'DiagnosticInfo',
  LanebridgeGood = 'DiagnosticOk',
  LanebridgeBad = 'DiagnosticError',
  LanebridgeBadge = 'DiagnosticWarn',
  LanebridgeSuggestion = 'NonText',
  LanebridgeChoice = 'Visual',
  LanebridgeFloat = 'NormalFloat',
  LanebridgeTitle = 'FloatTitle',
}

local done = false

function M.set()
  if done then
    return
  end
  done = true
  local function define()
    for name, link in pairs(groups) do
      vim.api.nvim_set_hl(0, name, { link = link, default = true })
    end
  end
  define()
  vim.api.nvim_create_autocmd('ColorScheme', {
    group = vim.api.nvim_create_augroup('lanebridge_highlight', { clear = true }),
    callback = define,
  })
end

M.groups = groups

return M
