-- lanebridge/editor/…: what the server asks of the editor: save, diagnostics, and what other language servers
-- know. Positions come and go in the encoding of our own connection.
local util = require('lanebridge.util')
local places = require('lanebridge.places')

local api = vim.api
local M = {}

local WAIT_MS = 4000

local function own(ctx)
  return assert(vim.lsp.get_client_by_id(ctx.client_id))
end

--- The buffer of a file, loaded if it was not.
---@param uri string
---@return integer
local function buffer(uri)
  local bufnr = vim.uri_to_bufnr(uri)
  if not api.nvim_buf_is_loaded(bufnr) then
    vim.fn.bufload(bufnr)
  end
  return bufnr
end

--- Waits in a handler, which runs in a coroutine, for `start` to call back.
---@param start fun(done: fun(...))
local function await(start)
  local co = assert(coroutine.running())
  local result, waiting, finished
  start(function(...)
    if finished then
      return
    end
    finished = true
    result = { ... }
    if waiting then
      coroutine.resume(co)
    end
  end)
  if not finished then
    waiting = true
    coroutine.yield()
  end
  return unpack(result)
end

local function sleep(ms)
  await(function(done)
    vim.defer_fn(done, ms)
  end)
end

---@param bufnr integer
---@param method string
local function others(bufnr, method)
  local list = {}
  for _, client in ipairs(vim.lsp.get_clients({ bufnr = bufnr })) do
    if client.name ~= 'lanebridge' and util.supports(client, method, bufnr) then
      list[#list + 1] = client
    end
  end
  return list
end

--- Other servers for a buffer; one that was just loaded may take a moment to get them.
local function servers(bufnr, method)
  local list = others(bufnr, method)
  local any = #vim.lsp.get_clients() > 1
  local tries = (any and #list == 0) and 20 or 0
  while #list == 0 and tries > 0 do
    tries = tries - 1
    sleep(50)
    list = others(bufnr, method)
  end
  return list
end

--- Asks all of them; answers come as {client, result}, those that fail or are slow are left out.
---@param list table[]
---@param method string
---@param params fun(client: table): table
---@param bufnr integer
local function ask_all(list, method, params, bufnr)
  local answers, left = {}, #list
  if left == 0 then
    return answers
  end
  await(function(done)
    vim.defer_fn(done, WAIT_MS)
    for _, client in ipairs(list) do
      util.request(client, method, params(client), function(err, result)
        left = left - 1
        if not err and result and result ~= vim.NIL then
          answers[#answers + 1] = { client = client, result = result }
        end
        if left == 0 then
          done()
        end
      end, bufnr)
    end
  end)
  return answers
end

-- Saving -------------------------------------------------------------------------------------------------

---@param bufnr integer
---@return string? problem
local function save_one(bufnr)
  if not vim.bo[bufnr].modified then
    return nil
  end
  if require('lanebridge.edit').changed_on_disk(bufnr) then
    return api.nvim_buf_get_name(bufnr) .. ' was changed on disk by something else'
  end
  -- A file without a last newline keeps doing without: nobody has edited that.
  local fix = vim.bo[bufnr].fixendofline
  vim.bo[bufnr].fixendofline = false
  local ok, err = pcall(api.nvim_buf_call, bufnr, function()
    vim.cmd('silent lockmarks write')
  end)
  vim.bo[bufnr].fixendofline = fix
  return not ok and tostring(err) or nil
end

--- As if you had written it: autocommands run.
function M.save(params)
  local problems = {}
  for _, uri in ipairs(params.uris) do
    local bufnr = require('lanebridge.edit').loaded(uri)
    problems[#problems + 1] = bufnr and save_one(bufnr) or nil
  end
  if #problems > 0 then
    return nil, table.concat(problems, '; ')
  end
  return {}
end

-- Diagnostics --------------------------------------------------------------------------------------------

local function lsp_diagnostic(diagnostic, bufnr, encoding)
  local uri = vim.uri_from_bufnr(bufnr)
  local function position(row, col)
    return { line = row, character = util.units(places.line(uri, row):sub(1, col), encoding) }
  end
  local lnum, col = diagnostic.lnum, diagnostic.col
  return {
    range = {
      start = position(lnum, col),
      ['end'] = position(diagnostic.end_lnum or lnum, diagnostic.end_col or col),
    },
    severity = diagnostic.severity,
    message = diagnostic.message,
    source = diagnostic.source,
    code = diagnostic.code,
  }
end

local function checked(bufnr)
  if #vim.diagnostic.get(bufnr) > 0 then
    return true
  end
  for _, client in ipairs(vim.lsp.get_clients({ bufnr = bufnr })) do
    if client.name ~= 'lanebridge' then
      return true
    end
  end
  return false
end

function M.diagnostics(params, ctx)
  local encoding = own(ctx).offset_encoding
  local files = {}
  local function add(bufnr, uri)
    if not checked(bufnr) then
      return
    end
    local list = {}
    for _, diagnostic in ipairs(vim.diagnostic.get(bufnr)) do
      list[#list + 1] = lsp_diagnostic(diagnostic, bufnr, encoding)
    end
    files[#files + 1] = { uri = uri, diagnostics = list }
  end
  if params.uris then
    for _, uri in ipairs(params.uris) do
      local bufnr = vim.fn.bufnr(vim.uri_to_fname(uri))
      if bufnr > 0 then
        add(bufnr, uri)
      end
    end
  else
    for _, bufnr in ipairs(api.nvim_list_bufs()) do
      if vim.bo[bufnr].buftype == '' and api.nvim_buf_get_name(bufnr) ~= '' then
        add(bufnr, vim.uri_from_bufnr(bufnr))
      end
    end
  end
  return { files = files }
end

-- Navigation ---------------------------------------------------------------------------------------------

local SYMBOLS_MAX = 200

local function add_symbols(out, list, client, ours, uri, container)
  for _, symbol in ipairs(list) do
    if #out >= SYMBOLS_MAX then
      return
    end
    local at = symbol.location and symbol.location.uri or uri
    local range = symbol.selectionRange or (symbol.location and symbol.location.range)
    if at and range then
      local holder = symbol.containerName or container
      out[#out + 1] = {
        name = symbol.name,
        kind = symbol.kind,
        container = holder ~= vim.NIL and holder or nil,
        uri = at,
        range = places.convert_range(at, range, client.offset_encoding, ours),
      }
    end
    if symbol.children and symbol.children ~= vim.NIL then
      add_symbols(out, symbol.children, client, ours, uri, symbol.name)
    end
  end
end

function M.symbols(params, ctx)
  local ours = own(ctx).offset_encoding
  local out = {}
  local bufnr, method = 0, 'workspace/symbol'
  if params.uri then
    bufnr, method = buffer(params.uri), 'textDocument/documentSymbol'
  end
  local list
  if params.uri then
    list = servers(bufnr, method)
  else
    list = vim.tbl_filter(function(client)
      return client.name ~= 'lanebridge' and client.server_capabilities.workspaceSymbolProvider
    end, vim.lsp.get_clients())
  end
  local answers = ask_all(list, method, function()
    return params.uri and { textDocument = { uri = params.uri } } or { query = params.query or '' }
  end, bufnr)
  for _, answer in ipairs(answers) do
    add_symbols(out, answer.result, answer.client, ours, params.uri)
  end
  if params.query and params.uri then
    local query = params.query:lower()
    out = vim.tbl_filter(function(symbol)
      return symbol.name:lower():find(query, 1, true) ~= nil
    end, out)
  end
  return { symbols = out }
end

local function locations(method, params, ctx, extra)
  local ours = own(ctx).offset_encoding
  local bufnr = buffer(params.uri)
  local answers = ask_all(servers(bufnr, method), method, function(client)
    return vim.tbl_extend('force', {
      textDocument = { uri = params.uri },
      position = places.convert(params.uri, params.position, ours, client.offset_encoding),
    }, extra or {})
  end, bufnr)
  local out, seen = {}, {}
  for _, answer in ipairs(answers) do
    local list = vim.islist(answer.result) and answer.result or { answer.result }
    for _, place in ipairs(list) do
      local uri, range = place.uri or place.targetUri, place.range or place.targetSelectionRange
      local key = ('%s:%d:%d'):format(uri, range.start.line, range.start.character)
      if not seen[key] then
        seen[key] = true
        out[#out + 1] = {
          uri = uri,
          range = places.convert_range(uri, range, answer.client.offset_encoding, ours),
          text = places.line(uri, range.start.line),
        }
      end
    end
  end
  return { locations = out }
end

function M.definition(params, ctx)
  return locations('textDocument/definition', params, ctx)
end

function M.references(params, ctx)
  return locations('textDocument/references', params, ctx, { context = { includeDeclaration = true } })
end

-- Edits of other servers: they are not applied here, the server plans them ---------------------------------

function M.rename(params, ctx)
  local ours = own(ctx).offset_encoding
  local bufnr = buffer(params.uri)
  local method = 'textDocument/rename'
  local list = servers(bufnr, method)
  if #list == 0 then
    return nil, 'no language server here can rename'
  end
  local answer = ask_all({ list[1] }, method, function(client)
    return {
      textDocument = { uri = params.uri },
      position = places.convert(params.uri, params.position, ours, client.offset_encoding),
      newName = params.newName,
    }
  end, bufnr)[1]
  if not answer then
    return nil, 'the language server did not rename it'
  end
  return { edit = places.convert_edit(answer.result, answer.client.offset_encoding, ours) }
end

--- Diagnostics of a place, as the server that made them wants them back.
local function diagnostics_at(bufnr, range)
  local list = {}
  for _, diagnostic in ipairs(vim.diagnostic.get(bufnr)) do
    local last = diagnostic.end_lnum or diagnostic.lnum
    if diagnostic.lnum <= range['end'].line and last >= range.start.line then
      local lsp = diagnostic.user_data and diagnostic.user_data.lsp
      list[#list + 1] = lsp and lsp.range and lsp or nil
    end
  end
  return list
end

local function offered(answers, bufnr)
  local actions = {}
  for _, answer in ipairs(answers) do
    for _, action in ipairs(answer.result) do
      local is_command = type(action.command) == 'string'
      if not is_command and not action.disabled then
        if not action.edit and util.supports(answer.client, 'codeAction/resolve', bufnr) then
          local resolved = ask_all({ answer.client }, 'codeAction/resolve', function()
            return action
          end, bufnr)[1]
          action = resolved and resolved.result or action
        end
        if action.edit then
          actions[#actions + 1] = { title = action.title, edit = action.edit, client = answer.client }
        end
      end
    end
  end
  return actions
end

function M.code_action(params, ctx)
  local ours = own(ctx).offset_encoding
  local bufnr = buffer(params.uri)
  local method = 'textDocument/codeAction'
  local answers = ask_all(servers(bufnr, method), method, function(client)
    return {
      textDocument = { uri = params.uri },
      range = places.convert_range(params.uri, params.range, ours, client.offset_encoding),
      context = { diagnostics = diagnostics_at(bufnr, params.range), only = params.kinds },
    }
  end, bufnr)
  local actions = offered(answers, bufnr)
  local chosen = not params.title and #actions == 1 and actions[1] or nil
  local titles = {}
  for _, action in ipairs(actions) do
    titles[#titles + 1] = action.title
    if action.title == params.title then
      chosen = chosen or action
    end
  end
  if chosen then
    return { edit = places.convert_edit(chosen.edit, chosen.client.offset_encoding, ours), titles = titles }
  end
  return { titles = titles }
end

function M.format(params, ctx)
  local ours = own(ctx).offset_encoding
  local bufnr = buffer(params.uri)
  local method = params.range and 'textDocument/rangeFormatting' or 'textDocument/formatting'
  local list = servers(bufnr, method)
  if #list == 0 then
    return nil, 'no language server here formats this file'
  end
  local answer = ask_all({ list[1] }, method, function(client)
    local request = vim.lsp.util.make_formatting_params()
    request.textDocument = { uri = params.uri }
    request.options.tabSize = vim.lsp.util.get_effective_tabstop(bufnr)
    request.options.insertSpaces = vim.bo[bufnr].expandtab
    request.range = params.range and places.convert_range(params.uri, params.range, ours, client.offset_encoding)
    return request
  end, bufnr)[1]
  if not answer then
    return {}
  end
  local edit = { documentChanges = { { textDocument = { uri = params.uri }, edits = answer.result } } }
  return { edit = places.convert_edit(edit, answer.client.offset_encoding, ours) }
end

-- What you look at -----------------------------------------------------------------------------------------

local function selection(bufnr, encoding)
  local mode = api.nvim_get_mode().mode
  if not mode:match('^[vV\22]') then
    return nil
  end
  local from, to = vim.fn.getpos('v'), vim.fn.getpos('.')
  if from[2] > to[2] or (from[2] == to[2] and from[3] > to[3]) then
    from, to = to, from
  end
  local uri = vim.uri_from_bufnr(bufnr)
  local function at(row, col)
    return { line = row, character = util.units(places.line(uri, row):sub(1, col), encoding) }
  end
  if mode:match('^V') then
    return { start = at(from[2] - 1, 0), ['end'] = at(to[2] - 1, #places.line(uri, to[2] - 1)) }
  end
  return { start = at(from[2] - 1, from[3] - 1), ['end'] = at(to[2] - 1, to[3]) }
end

function M.context(_, ctx)
  local encoding = own(ctx).offset_encoding
  local is_file = require('lanebridge.client').is_file
  local chat = package.loaded['lanebridge.chat']
  local current = api.nvim_get_current_buf()
  local active = is_file(current) and current or (chat and chat.file_beside())
  local result = { open = {}, visible = {} }
  for _, bufnr in ipairs(api.nvim_list_bufs()) do
    if is_file(bufnr) and vim.bo[bufnr].buflisted then
      table.insert(result.open, vim.uri_from_bufnr(bufnr))
    end
  end
  for _, win in ipairs(api.nvim_tabpage_list_wins(0)) do
    local bufnr = api.nvim_win_get_buf(win)
    if is_file(bufnr) then
      local range = {
        start = { line = vim.fn.line('w0', win) - 1, character = 0 },
        ['end'] = { line = vim.fn.line('w$', win), character = 0 },
      }
      table.insert(result.visible, { uri = vim.uri_from_bufnr(bufnr), ranges = { range } })
    end
  end
  if active then
    result.active = vim.uri_from_bufnr(active)
    result.selection = active == current and selection(active, encoding) or nil
  end
  return result
end

return M
