-- Which message of the server goes to which module. Modules are loaded when their first message comes.
local M = {}

---@param module string
---@param name string
local function notification(module, name)
  return function(_, params, ctx)
    require('lanebridge.' .. module)[name](params, ctx)
  end
end

--- A request of the server. Its function may wait: handlers run in coroutines.
---@param module string
---@param name string
local function request(module, name)
  return function(_, params, ctx)
    local ok, result, err = pcall(require('lanebridge.' .. module)[name], params, ctx)
    if not ok then
      return nil, { code = -32803, message = tostring(result) }
    end
    if err then
      return nil, type(err) == 'table' and err or { code = -32803, message = err }
    end
    if type(result) == 'table' and next(result) == nil then
      result = vim.empty_dict()
    end
    return result
  end
end

function M.table()
  return {
    ['lanebridge/thread/updated'] = notification('state', 'thread_updated'),
    ['lanebridge/turn/started'] = notification('state', 'turn_started'),
    ['lanebridge/turn/completed'] = notification('state', 'turn_completed'),
    ['lanebridge/turn/notice'] = notification('state', 'turn_notice'),
    ['lanebridge/item/started'] = notification('state', 'item_started'),
    ['lanebridge/item/delta'] = notification('state', 'item_delta'),
    ['lanebridge/item/completed'] = notification('state', 'item_completed'),
    ['lanebridge/connection/updated'] = notification('state', 'connection_updated'),
    ['lanebridge/queue/updated'] = notification('state', 'queue_updated'),
    ['lanebridge/changes/updated'] = notification('hunks', 'on_updated'),
    ['$/cancelRequest'] = notification('wire', 'on_cancel'),
    ['lanebridge/approval/request'] = request('approval', 'on_approval'),
    ['lanebridge/question/request'] = request('approval', 'on_question'),
    ['lanebridge/editor/save'] = request('editor', 'save'),
    ['lanebridge/editor/diagnostics'] = request('editor', 'diagnostics'),
    ['lanebridge/editor/symbols'] = request('editor', 'symbols'),
    ['lanebridge/editor/definition'] = request('editor', 'definition'),
    ['lanebridge/editor/references'] = request('editor', 'references'),
    ['lanebridge/editor/rename'] = request('editor', 'rename'),
    ['lanebridge/editor/codeAction'] = request('editor', 'code_action'),
    ['lanebridge/editor/format'] = request('editor', 'format'),
    ['lanebridge/editor/context'] = request('editor', 'context'),
    ['lanebridge/editor/secret'] = request('secret', 'on_request'),
    ['workspace/applyEdit'] = request('edit', 'on_apply'),
  }
end

return M
