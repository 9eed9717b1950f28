-- lanebridge/editor/secret: keys that live in the editor's memory and nowhere else.
local config = require('lanebridge.config')

local M = {}

local kept = {} ---@type table<string, string>

--- The value of a secret: from `setup{secret}`, from what was typed before, or asked for when you open it.
---@param params {name: string}
function M.on_request(params)
  local name = params.name
  local value = config.options.secret and config.options.secret(name) or kept[name] or vim.env[name]
  if not value or value == '' then
    local err
    value, err = require('lanebridge.approval').wait_secret(('Key for Lanebridge (%s), not shown'):format(name))
    if err then
      return nil, err
    end
    kept[name] = value
  end
  return { value = value }
end

--- :Lanebridge key: types a key in for this session.
---@param name string
function M.enter(name)
  name = name ~= '' and name or 'OPENAI_API_KEY'
  local ok, value = pcall(vim.fn.inputsecret, ('Key (%s), not shown: '):format(name))
  vim.cmd('redraw')
  if ok and value ~= '' then
    kept[name] = value
    vim.notify('Lanebridge: the key is kept until Neovim ends')
  end
end

---@param name string
function M.get(name)
  return kept[name]
end

return M
