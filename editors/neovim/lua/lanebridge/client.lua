-- The server: how it is started, which one serves a buffer, and requests to it. One process for all folders.
local config = require('lanebridge.config')

local M = {}

local new_api = vim.fn.has('nvim-0.11') == 1
local markers = { '.git', '.hg', '.jj', '.svn' }

---@param client table
function M.is_stopped(client)
  return client.rpc.is_closing()
end

--- The server that runs, if one does.
---@return table? client
function M.get()
  local get = vim.lsp.get_clients
  for _, client in ipairs(get({ name = 'lanebridge' })) do
    if not M.is_stopped(client) and client.initialized then
      return client
    end
  end
end

--- The name of a buffer, if it is a path: not of one that something else fills, such as `fugitive://…`.
---@param bufnr integer
---@return string empty: it has none
local function path_of(bufnr)
  local name = vim.api.nvim_buf_get_name(bufnr)
  return name:match('^%a[%w+.-]+://') and '' or name
end

---@param bufnr integer
---@return boolean
function M.is_file(bufnr)
  return vim.api.nvim_buf_is_loaded(bufnr) and vim.bo[bufnr].buftype == '' and path_of(bufnr) ~= ''
end

--- The folder a buffer belongs to: its repository, else the working directory if the file is below it.
---@param bufnr integer
---@return string?
function M.root(bufnr)
  if config.options.root then
    return config.options.root(bufnr)
  end
  local path, here = path_of(bufnr), vim.uv.cwd()
  local root = vim.fs.root(path ~= '' and bufnr or here or '/', markers)
  if root then
    return root
  end
  local name = vim.fs.normalize(path)
  local below = name == '' or vim.startswith(name, (here or '') .. '/')
  if here and here ~= '/' and here ~= vim.uv.os_homedir() and below then
    return here
  end
end

local function folder_of(root)
  return { uri = vim.uri_from_fname(root), name = vim.fs.basename(root) }
end

--- Tells a server that runs of one more folder.
---@param client table
---@param root? string
local function add_folder(client, root)
  if not root then
    return
  end
  local folder = folder_of(root)
  for _, known in ipairs(client.workspace_folders or {}) do
    if known.uri == folder.uri then
      return
    end
  end
  client.workspace_folders = client.workspace_folders or {}
  table.insert(client.workspace_folders, folder)
  if client.initialized then
    M.notify(client, 'workspace/didChangeWorkspaceFolders', { event = { added = { folder }, removed = {} } })
  else
    client.lanebridge_late = client.lanebridge_late or {}
    table.insert(client.lanebridge_late, folder)
  end
end

local function reuse_client(client, wanted)
  if client.name ~= wanted.name or M.is_stopped(client) then
    return false
  end
  add_folder(client, wanted.root_dir)
  return true
end

local function capabilities()
  local can = vim.lsp.protocol.make_client_capabilities()
  can.workspace.workspaceEdit.documentChanges = true
  can.textDocument.inlineCompletion = can.textDocument.inlineCompletion or { dynamicRegistration = false }
  can.experimental = {
    lanebridge = {
      version = 1,
      approvals = true,
      questions = true,
      save = true,
      diagnostics = true,
      navigation = true,
      refactor = true,
      review = true,
      secrets = true,
    },
  }
  return can
end

--- Open files belong to the server from the start, so that it never takes the disk's text for what you see.
local function attach_all(client)
  local edit = require('lanebridge.edit')
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    if M.is_file(bufnr) then
      edit.note(bufnr)
      vim.lsp.buf_attach_client(bufnr, client.id)
    end
  end
  local group = vim.api.nvim_create_augroup('lanebridge_files', { clear = true })
  vim.api.nvim_create_autocmd({ 'BufReadPost', 'BufWritePost', 'BufNewFile', 'FileChangedShellPost' }, {
    group = group,
    callback = function(args)
      local running = M.get()
      if running and M.is_file(args.buf) then
        edit.note(args.buf)
        if args.event ~= 'BufWritePost' then
          add_folder(running, M.root(args.buf))
        end
        vim.lsp.buf_attach_client(args.buf, running.id)
      end
    end,
  })
end

local function on_init(client)
  if client.lanebridge_late then
    M.notify(client, 'workspace/didChangeWorkspaceFolders', {
      event = { added = client.lanebridge_late, removed = {} },
    })
    client.lanebridge_late = nil
  end
  vim.schedule(function()
    if not M.is_stopped(client) then
      attach_all(client)
      require('lanebridge.state').server_started(client)
    end
  end)
end

--- The command that starts the server: ours, unless vim.lsp.config() was given another.
---@param wanted table
---@return string[]
local function command_of(wanted)
  return type(wanted.cmd) == 'table' and wanted.cmd or config.options.cmd
end

local warned = false

--- Is the program here? If not the person is told, by what happens with each file only once.
---@param wanted table
---@param again boolean
local function has_program(wanted, again)
  local program = command_of(wanted)[1]
  if vim.fn.executable(program) == 1 then
    return true
  end
  if again or not warned then
    warned = true
    vim.notify(
      ('Lanebridge: there is no program "%s". Install Lanebridge, or name it by setup{cmd = {…, "lsp"}}.'):format(
        program
      ),
      vim.log.levels.ERROR
    )
  end
  return false
end

local function on_exit(code, signal)
  vim.schedule(function()
    require('lanebridge.state').server_ended(code, signal)
  end)
end

--- The configuration of the server, for `vim.lsp.config` or `vim.lsp.start`.
function M.config()
  local options = config.options
  local settings = vim.deepcopy(options.settings)
  if options.suggest.enabled then
    settings = vim.tbl_deep_extend('keep', settings, { inlineCompletion = { enabled = true } })
  end
  local initial = vim.deepcopy(settings)
  if options.trusted then
    initial.trusted = true
  end
  return {
    name = 'lanebridge',
    cmd = require('lanebridge.wire').start,
    root_dir = new_api and function(bufnr, on_dir)
      if M.is_file(bufnr) and has_program(vim.lsp.config.lanebridge, false) then
        on_dir(M.root(bufnr))
      end
    end or nil,
    reuse_client = reuse_client,
    capabilities = capabilities(),
    handlers = require('lanebridge.handlers').table(),
    init_options = next(initial) and initial or vim.empty_dict(),
    settings = { lanebridge = next(settings) and settings or vim.empty_dict() },
    flags = { debounce_text_changes = 20 },
    on_init = on_init,
    on_exit = on_exit,
  }
end

--- What setup() was given has changed since: a server started from now on has it.
function M.options_changed()
  if new_api then
    local ours = M.config()
    vim.lsp.config('lanebridge', { init_options = ours.init_options, settings = ours.settings })
  end
end

local function resolved_config()
  local wanted = new_api and vim.lsp.config.lanebridge or M.config()
  return vim.tbl_extend('force', {}, wanted)
end

--- Starts the server for a buffer, or hands the buffer to the one that runs.
---@param bufnr? integer
---@return integer? client_id
function M.start(bufnr)
  bufnr = (bufnr == nil or bufnr == 0) and vim.api.nvim_get_current_buf() or bufnr
  local wanted = resolved_config()
  if not has_program(wanted, true) then
    return nil
  end
  wanted.root_dir = M.root(bufnr)
  if M.is_file(bufnr) then
    return vim.lsp.start(wanted, { bufnr = bufnr, reuse_client = reuse_client })
  end
  for _, client in ipairs(vim.lsp.get_clients({ name = 'lanebridge', _uninitialized = true })) do
    if reuse_client(client, wanted) then
      return client.id
    end
  end
  if new_api then
    return vim.lsp.start(wanted, { attach = false, reuse_client = reuse_client })
  end
  return vim.lsp.start_client(wanted)
end

--- Ends the server, and starts it again for the buffer you are in.
---@param callback? fun() once it runs
function M.restart(callback)
  local client = M.get()
  local buffers = client and vim.tbl_keys(client.attached_buffers) or {}
  if client then
    if new_api then
      client:stop()
    else
      client.stop()
    end
  end
  local tries = 0
  local function again()
    tries = tries + 1
    if client and not M.is_stopped(client) and tries < 100 then
      return vim.defer_fn(again, 50)
    end
    M.start(0)
    for _, bufnr in ipairs(buffers) do
      if M.is_file(bufnr) then
        M.start(bufnr)
      end
    end
    if callback then
      M.with(callback)
    end
  end
  again()
end

local waiting = {} ---@type function[]

--- Calls back with the server, which is started if need be.
---@param fn fun(client: table)
function M.with(fn)
  local client = M.get()
  if client then
    return fn(client)
  end
  if M.start(0) then
    table.insert(waiting, fn)
  end
end

function M.run_waiting(client)
  local list = waiting
  waiting = {}
  for _, fn in ipairs(list) do
    fn(client)
  end
end

function M.drop_waiting()
  waiting = {}
end

---@param client table
---@param method string
---@param params table
function M.notify(client, method, params)
  if new_api then
    client:notify(method, params)
  else
    client.notify(method, params)
  end
end

---@param client table
---@param method string
---@param params? table
---@param callback? fun(err?: table, result?: any)
---@param bufnr? integer its changes are sent first
---@return boolean sent, integer? id
function M.send(client, method, params, callback, bufnr)
  params = (params == nil or next(params) == nil) and vim.empty_dict() or params
  local handler = function(err, result)
    if callback then
      callback(err, result)
    end
  end
  if new_api then
    return client:request(method, params, handler, bufnr)
  end
  return client.request(method, params, handler, bufnr)
end

function M.cancel(client, id)
  if new_api then
    client:cancel_request(id)
  else
    client.cancel_request(id)
  end
end

--- A request whose failure is told to the person, unless `on_error` takes it.
---@param method string
---@param params? table
---@param callback? fun(result: any)
---@param on_error? fun(message: string)
function M.request(method, params, callback, on_error)
  M.with(function(client)
    M.flush(client)
    M.send(client, method, params, function(err, result)
      if err then
        local message = err.message or tostring(err)
        if on_error then
          return on_error(message)
        end
        return vim.notify('Lanebridge: ' .. message, vim.log.levels.ERROR)
      end
      if callback then
        callback(result)
      end
    end)
  end)
end

--- What you typed last is told before what follows: requests flush the changes of their buffer.
---@param client table
function M.flush(client)
  for bufnr in pairs(client.attached_buffers) do
    if vim.api.nvim_buf_is_loaded(bufnr) and vim.bo[bufnr].modified then
      pcall(require('vim.lsp._changetracking').flush, client, bufnr)
    end
  end
end

---@param name string
---@param argument? any
---@param callback? fun(result: any)
function M.command(name, argument, callback)
  M.request('workspace/executeCommand', {
    command = 'lanebridge.' .. name,
    arguments = argument ~= nil and { argument } or nil,
  }, callback)
end

return M
