-- Lanebridge: an agent beside your editor. `setup()` is optional; see `:help lanebridge`.
local M = {}

---@param options? lanebridge.Options
function M.setup(options)
  local config = require('lanebridge.config')
  for _, problem in ipairs(config.set(options)) do
    vim.notify('Lanebridge: ' .. problem, vim.log.levels.WARN)
  end
  if config.options.keys then
    require('lanebridge.keys').set()
  end
  if config.options.autostart then
    M.enable()
  end
  if config.options.suggest.enabled then
    require('lanebridge.suggest').enable(true)
  end
end

--- Starts the server with the first file, as `vim.lsp.enable('lanebridge')` does.
function M.enable()
  if vim.fn.has('nvim-0.11') == 1 then
    vim.lsp.enable('lanebridge')
    return
  end
  local group = vim.api.nvim_create_augroup('lanebridge_enable', { clear = true })
  local function attach(bufnr)
    if require('lanebridge.client').is_file(bufnr) then
      require('lanebridge.client').start(bufnr)
    end
  end
  vim.api.nvim_create_autocmd('FileType', {
    group = group,
    callback = function(args)
      attach(args.buf)
    end,
  })
  if vim.v.vim_did_enter == 1 then
    attach(vim.api.nvim_get_current_buf())
  end
end

--- What is going on, for a statusline: empty while there is nothing to say.
---@return string
function M.statusline()
  return require('lanebridge.status').line()
end

return M
