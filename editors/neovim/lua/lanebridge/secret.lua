-- lanebridge/editor/secret: keys that live in the editor's memory and nowhere else.
local config = require('lanebridge.config')

local M = {}

local kept = {} ---@type table<string, string>

--- The value of a secret: from `setup{secret}`, from what was typed before, or asked for when you open it. One that was
--- refused is asked for.
---@param params {name: string, refused?: boolean}
function M.on_request(params)
  local name = params.name
  if params.refused then
    kept[name] = nil
  end
  local value = not params.refused and (config.options.secret and config.options.secret(name) or kept[name])
  if not value or value == '' then
    local err
    value, err = require('lanebridge.approval').wait_secret(params)
    if err then
      return nil, err
    end
    kept[name] = value
  end
  return { value = value }
end

--- Types a secret in where nobody sees it.
---@return string? value
function M.type_in()
  local ok, value = pcall(vim.fn.inputsecret, 'Key for Lanebridge, not shown: ')
  vim.cmd('redraw')
  return ok and value ~= '' and value or nil
end

--- :Lanebridge key: types a key in for this session.
---@param name string
function M.enter(name)
  local value = M.type_in()
  if value then
    kept[name ~= '' and name or 'apiKey'] = value
    vim.notify('Lanebridge: the key is kept until Neovim ends')
  end
end

--- Another endpoint for this session, which needs no key. The server is started anew; what was asked stands in the
--- prompt again.
---@param url string
function M.use_endpoint(url)
  local ask, client, state = require('lanebridge.ask'), require('lanebridge.client'), require('lanebridge.state')
  local thread = state.busy() or (state.last and state.threads[state.last])
  local turn = thread and (thread.running or thread.turns[#thread.turns])
  local words, folder = turn and turn.text or '', ask.folder()
  config.options.settings = vim.tbl_deep_extend('force', config.options.settings, { endpoint = { url = url } })
  client.options_changed()
  local tries = 0
  local function go()
    tries = tries + 1
    if state.busy() and tries < 40 then
      return vim.defer_fn(go, 50)
    end
    client.restart(function()
      if thread and words ~= '' then
        local one, win = require('lanebridge.chat').show(thread.id, folder, true)
        one:set_prompt(words)
        require('lanebridge.chat').to_prompt(one, win)
      end
      vim.notify(('Lanebridge: the endpoint is %s until Neovim ends; <C-s> in the chat asks again'):format(url))
    end)
  end
  go()
end

return M
