-- workspace/applyEdit, with the checks that Neovim leaves out: an edit for another version than the buffer's
-- is refused as a whole, version 0 and later ones included, before anything of it is applied.
local M = {}

local api = vim.api

---@param bufnr integer
---@return integer
local function version_of(bufnr)
  return rawget(vim.lsp.util.buf_versions, bufnr) or 0
end

--- The loaded buffer of a file.
---@param uri string
---@return integer?
function M.loaded(uri)
  local name = vim.uri_to_fname(uri)
  local bufnr = vim.fn.bufnr(vim.fn.fnameescape(name))
  if bufnr > 0 and api.nvim_buf_is_loaded(bufnr) and api.nvim_buf_get_name(bufnr) == name then
    return bufnr
  end
  for _, candidate in ipairs(api.nvim_list_bufs()) do
    if api.nvim_buf_is_loaded(candidate) and api.nvim_buf_get_name(candidate) == name then
      return candidate
    end
  end
end

local stamps = {} ---@type table<integer, string> what the file was when it was read or written

local function stamp(bufnr)
  local stat = vim.uv.fs_stat(api.nvim_buf_get_name(bufnr))
  return stat and ('%d %d %d'):format(stat.mtime.sec, stat.mtime.nsec, stat.size) or 'none'
end

--- Remembers the file as the buffer has it. Writing over another one would ask, and take your keys.
---@param bufnr integer
function M.note(bufnr)
  stamps[bufnr] = stamp(bufnr)
end

---@param bufnr integer
function M.changed_on_disk(bufnr)
  return stamps[bufnr] ~= nil and stamps[bufnr] ~= stamp(bufnr)
end

--- Why a change must not be applied, or nil.
---@param change table TextDocumentEdit
---@param client table
---@return string?
local function refusal(change, client)
  local document = change.textDocument
  if document.uri:sub(1, 7) ~= 'file://' then
    return nil
  end
  local bufnr = M.loaded(document.uri)
  local version = document.version
  if version == vim.NIL then
    version = nil
  end
  if not bufnr then
    return version and 'the file was closed: ' .. document.uri or nil
  end
  if not vim.bo[bufnr].modifiable then
    return 'the buffer is not modifiable: ' .. api.nvim_buf_get_name(bufnr)
  end
  if not client.attached_buffers[bufnr] then
    if vim.bo[bufnr].modified then
      return 'the buffer has changes that were not known: ' .. api.nvim_buf_get_name(bufnr)
    end
    return nil
  end
  if version and version ~= version_of(bufnr) then
    return ('the buffer has changed (version %d, the edit is for %d): %s'):format(
      version_of(bufnr),
      version,
      api.nvim_buf_get_name(bufnr)
    )
  end
end

--- The person's typing and the edit are two steps of the undo tree, also in the middle of an insertion.
local function break_undo(bufnr)
  api.nvim_buf_call(bufnr, function()
    vim.cmd('let &g:undolevels = &g:undolevels')
  end)
end

--- A file of no bytes has one line here, which is not there for the server.
local function is_empty_file(bufnr)
  return api.nvim_buf_line_count(bufnr) == 1 and api.nvim_buf_get_lines(bufnr, 0, 1, false)[1] == ''
end

---@param change table
---@param encoding string
local function apply_text(change, encoding)
  local bufnr = vim.uri_to_bufnr(change.textDocument.uri)
  local empty = false
  if not api.nvim_buf_is_loaded(bufnr) then
    vim.fn.bufload(bufnr)
    vim.bo[bufnr].buflisted = true
    empty = is_empty_file(bufnr)
  end
  break_undo(bufnr)
  vim.lsp.util.apply_text_edits(change.edits, bufnr, encoding)
  if empty and api.nvim_buf_line_count(bufnr) > 1 and api.nvim_buf_get_lines(bufnr, -2, -1, false)[1] == '' then
    api.nvim_buf_set_lines(bufnr, -2, -1, false, {})
  end
  break_undo(bufnr)
  return bufnr
end

local function by_uri(changes)
  local list = {}
  for uri, edits in pairs(changes) do
    list[#list + 1] = { textDocument = { uri = uri }, edits = edits }
  end
  return list
end

--- Completion menus and pending operators are let finish, for a moment: an edit would throw them away.
local function calm()
  return vim.fn.pumvisible() == 0
end

local function wait_for_calm()
  local co = coroutine.running()
  local until_ms = vim.uv.now() + 1000
  while co and not calm() and vim.uv.now() < until_ms do
    vim.defer_fn(function()
      coroutine.resume(co)
    end, 20)
    coroutine.yield()
  end
end

---@param params table ApplyWorkspaceEditParams
---@param ctx table
function M.on_apply(params, ctx)
  local client = assert(vim.lsp.get_client_by_id(ctx.client_id))
  local encoding = client.offset_encoding
  local list = params.edit.documentChanges or by_uri(params.edit.changes or {})
  wait_for_calm()
  for _, change in ipairs(list) do
    local why = not change.kind and refusal(change, client)
    if why then
      require('lanebridge.client').flush(client)
      return { applied = false, failureReason = why }
    end
  end
  for i, change in ipairs(list) do
    local ok, err = pcall(function()
      if change.kind then
        vim.lsp.util.apply_workspace_edit({ documentChanges = { change } }, encoding)
      else
        local bufnr = apply_text(change, encoding)
        vim.lsp.buf_attach_client(bufnr, client.id)
      end
    end)
    if not ok then
      return { applied = false, failedChange = i - 1, failureReason = tostring(err) }
    end
  end
  vim.schedule(function()
    require('lanebridge.client').flush(client)
  end)
  return { applied = true }
end

--- What is done about a file that changed on disk, instead of a question that would take your keys: it is read
--- again, also with 'noautoread', unless you have changed it.
local function on_changed(args)
  local name = vim.fn.fnamemodify(api.nvim_buf_get_name(args.buf), ':~:.')
  if vim.v.fcs_reason == 'deleted' then
    vim.v.fcs_choice = ''
  elseif vim.bo[args.buf].modified then
    vim.v.fcs_choice = ''
    vim.notify(
      ('Lanebridge: %s has changed on disk, and you have unsaved changes: '):format(name)
        .. ':edit! takes the file, :write! yours',
      vim.log.levels.WARN
    )
  else
    vim.v.fcs_choice = 'reload'
  end
end

--- Files that changed on disk are read again. One by one, because for all at once Neovim may choose a later time.
function M.reload()
  if vim.fn.getcmdwintype() ~= '' or api.nvim_get_mode().blocking then
    return
  end
  local own = api.nvim_get_autocmds({ event = 'FileChangedShell' })
  local id = #own == 0 and api.nvim_create_autocmd('FileChangedShell', { callback = on_changed })
  for _, bufnr in ipairs(api.nvim_list_bufs()) do
    if require('lanebridge.client').is_file(bufnr) then
      vim.cmd(('silent! %dchecktime'):format(bufnr))
    end
  end
  if id then
    api.nvim_del_autocmd(id)
  end
end

return M
