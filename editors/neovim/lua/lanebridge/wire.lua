-- The connection, with one thing more than Neovim's: it counts what the server asks. The server numbers its
-- requests 1, 2, 3 …, and Neovim does not tell a handler the number, which $/cancelRequest takes back.
local M = {}

local asked = 0 -- requests of the server that runs
local withdraw = {} ---@type table<integer, fun()> by number
local CANCELLED = { code = -32800, message = 'no longer asked' }

--- For `cmd` of |vim.lsp.ClientConfig|.
---@param dispatchers table
---@param config? table
function M.start(dispatchers, config)
  asked, withdraw = 0, {}
  local handle = dispatchers.server_request
  local counting = vim.tbl_extend('force', {}, dispatchers, {
    server_request = function(...)
      asked = asked + 1
      return handle(...)
    end,
  })
  config = config or {}
  return vim.lsp.rpc.start(require('lanebridge.config').options.cmd, counting, {
    cwd = config.cmd_cwd,
    env = config.cmd_env,
    detached = config.detached,
  })
end

--- Waits, in the handler of a request and before anything else there, for its answer.
---@param on_begin fun(answer: fun(result: table))
---@param on_cancel fun()
---@return table? result
---@return table? err
function M.wait(on_begin, on_cancel)
  local co, number = assert(coroutine.running()), asked
  local result, err
  local waiting, done = false, false
  local function finish(given, why)
    if done then
      return
    end
    result, err, done = given, why, true
    withdraw[number] = nil
    if waiting then
      coroutine.resume(co)
    end
  end
  withdraw[number] = function()
    on_cancel()
    finish(nil, CANCELLED)
  end
  on_begin(finish)
  if not done then
    waiting = true
    coroutine.yield()
  end
  return result, err
end

--- $/cancelRequest
---@param params {id: integer}
function M.on_cancel(params)
  local fn = withdraw[tonumber(params.id)]
  if fn then
    fn()
  end
end

return M
