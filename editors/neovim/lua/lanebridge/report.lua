-- What there is to be told on demand: the state of things, what was sent, what would be sent, rules.
local ask = require('lanebridge.ask')
local client = require('lanebridge.client')
local thread = require('lanebridge.thread')
local util = require('lanebridge.util')

local M = {}

local say = thread.say

---@param part table of what was sent
local function part_line(part)
  return ('- %s%s%s, %s bytes%s'):format(
    part.label,
    part.path and (' ' .. part.path) or '',
    part.lines and (':' .. part.lines) or '',
    util.short(part.bytes),
    (part.redactions or 0) > 0 and (', %s taken out'):format(util.count(part.redactions, 'secret')) or ''
  )
end

--- What went to the model in the turn at the cursor, else in the last one.
function M.sent()
  local turn = vim.b.lanebridge_thread and require('lanebridge.chat').turn_here()
  client.request('lanebridge/log/sent', { turnId = turn and turn.id or '' }, function(result)
    local lines = {}
    for _, request in ipairs(result.requests) do
      lines[#lines + 1] = ('## %s to %s, %s bytes%s'):format(
        request.kind or 'request',
        request.host ~= '' and request.host or 'the endpoint',
        util.short(request.bytes),
        request.continued and ', only what was new' or ''
      )
      vim.list_extend(lines, vim.tbl_map(part_line, request.parts))
      lines[#lines + 1] = ''
    end
    thread.show_text('sent', #lines > 0 and lines or { 'Nothing has been sent yet.' }, 'markdown')
  end)
end

--- What a prompt would send: the words behind the command, else what stands in the chat's prompt.
---@param call lanebridge.Call
function M.preview(call)
  local chat = require('lanebridge.chat')
  local here = chat.here()
  local text = call.text == '' and here and here:prompt() or call.text
  thread.current(function(one, folder)
    local input = { { type = 'text', text = text } }
    vim.list_extend(input, require('lanebridge.mention').inputs(text, folder, vim.api.nvim_get_current_buf()))
    client.request('lanebridge/context/preview', { threadId = one.id, input = input }, function(result)
      local lines = { ('# %s tokens'):format(util.short(result.tokens)), '' }
      for _, part in ipairs(result.parts) do
        lines[#lines + 1] = ('- [%s] %s, %s tokens: %s'):format(
          part.included and 'x' or ' ',
          part.label,
          util.short(part.tokens),
          part.why
        )
      end
      if result.counted then
        vim.list_extend(lines, { '', '*' .. result.counted .. '*' })
      end
      thread.show_text('preview', lines, 'markdown')
    end)
  end)
end

---@param tokens table
local function token_words(tokens)
  local parts = { ('%s in, %s out today'):format(util.short(tokens.todayInput), util.short(tokens.todayOutput)) }
  if tokens.perTurn > 0 then
    parts[#parts + 1] = ('at most %s a turn'):format(util.short(tokens.perTurn))
  end
  if tokens.perDay > 0 then
    parts[#parts + 1] = ('at most %s a day'):format(util.short(tokens.perDay))
  end
  return table.concat(parts, ', ')
end

function M.status()
  client.request('lanebridge/status/get', {}, function(status)
    local connection = status.connection
    local lines = {
      ('Lanebridge %s'):format(status.version),
      ('model      %s, mode %s'):format(status.model, status.mode),
      ('endpoint   %s'):format(status.endpoint),
      ('key        %s'):format(status.key),
      ('connection %s%s'):format(connection.state, connection.detail ~= '' and (': ' .. connection.detail) or ''),
      ('tokens     %s'):format(token_words(status.tokens)),
      ('sandbox    %s'):format(status.sandbox),
      ('folders    %s'):format(#status.folders > 0 and table.concat(status.folders, ', ') or 'none'),
    }
    if status.notice then
      lines[#lines + 1] = 'notice     ' .. status.notice
    end
    for _, server in ipairs(status.mcp) do
      local detail = server.state == 'failed' and (': ' .. server.detail) or ''
      lines[#lines + 1] = ('mcp        %s: %s, %s%s'):format(
        server.name,
        server.state,
        util.count(server.tools, 'tool'),
        detail
      )
    end
    thread.show_text('status', lines, '')
  end)
end

--- Rules that are in force; one that is chosen is taken back.
function M.rules()
  client.request('lanebridge/rules/list', {}, function(result)
    if #result.rules == 0 then
      return say('no rule is in force: what you have allowed was for once')
    end
    vim.ui.select(result.rules, {
      prompt = 'Take back',
      format_item = function(rule)
        return ('%s: %s'):format(rule.scope, rule.text)
      end,
    }, function(rule)
      if rule then
        client.request('lanebridge/rules/delete', { id = rule.id }, function()
          say('taken back: ' .. rule.text)
        end)
      end
    end)
  end)
end

--- :Lanebridge trust; `no` takes it back.
---@param call lanebridge.Call
function M.trust(call)
  local folder, trusted = ask.folder(), call.text ~= 'no'
  if folder == '' then
    return say('there is no folder here')
  end
  client.request('lanebridge/workspace/trust', { uri = vim.uri_from_fname(folder), trusted = trusted }, function()
    say((trusted and 'trusted: ' or 'not trusted: ') .. folder)
  end)
end

return M
