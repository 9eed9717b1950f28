-- What `@` in a prompt means: files, lines of files, folders, and what the editor knows.
local M = {}

local uv = vim.uv

local images = { png = true, jpg = true, jpeg = true, gif = true, webp = true }

local special = {
  diagnostics = 'what language servers say about the file',
  diff = 'what git has changed and not committed',
  buffer = 'the file in the other window',
}

--- `@path`, `@path:3-9`, `@"a path"`.
---@param text string
---@return string[]
local function mentions(text)
  local found = {}
  for quoted in (' ' .. text):gmatch('[%s(]@"([^"\n]+)"') do
    found[#found + 1] = quoted
  end
  for word in (' ' .. text):gmatch('[%s(]@([^%s"]+)') do
    found[#found + 1] = (word:gsub('[,;:.!?)]+$', ''))
  end
  return found
end

local function diff_of(folder)
  if folder == '' then
    return nil
  end
  local ok, done = pcall(function()
    return vim.system({ 'git', '-C', folder, 'diff', 'HEAD' }, { text = true, timeout = 3000 }):wait()
  end)
  local text = ok and done.code == 0 and done.stdout or ''
  return text ~= '' and { type = 'diff', text = text:sub(1, 256 * 1024) } or nil
end

---@param word string
---@param folder string
---@return table? input
local function file_input(word, folder)
  local path, first, last = word:match('^(.-):(%d+)%-?(%d*)$')
  path = path or word
  local full = path:sub(1, 1) == '/' and path or (folder ~= '' and folder .. '/' .. path) or nil
  local stat = full and uv.fs_stat(full)
  if not stat then
    return nil
  end
  local uri = vim.uri_from_fname((vim.fs.normalize(full):gsub('(.)/$', '%1')))
  if stat.type == 'directory' then
    return { type = 'folder', uri = uri }
  end
  if images[(path:match('%.(%w+)$') or ''):lower()] then
    return { type = 'image', uri = uri }
  end
  if not first then
    return { type = 'file', uri = uri }
  end
  last = last ~= '' and last or first
  return {
    type = 'file',
    uri = uri,
    range = {
      start = { line = math.max(tonumber(first) - 1, 0), character = 0 },
      ['end'] = { line = tonumber(last), character = 0 },
    },
  }
end

--- The inputs that a prompt names.
---@param text string
---@param folder string
---@param bufnr integer
---@return table[]
function M.inputs(text, folder, bufnr)
  local inputs = {}
  for _, word in ipairs(mentions(text)) do
    local file = require('lanebridge.chat').file_beside(bufnr)
    local input
    if word == 'diff' then
      input = diff_of(folder)
    elseif word == 'diagnostics' and file then
      input = { type = 'diagnostics', uri = vim.uri_from_bufnr(file) }
    elseif word == 'buffer' and file then
      input = { type = 'file', uri = vim.uri_from_bufnr(file) }
    else
      input = file_input(word, folder)
    end
    inputs[#inputs + 1] = input
  end
  return inputs
end

local cache = {} ---@type table<string, {at: integer, files: string[]}>
local KEEP_MS, FILES_MAX = 10000, 20000

local function walk(folder)
  local files = {}
  for name, kind in
    vim.fs.dir(folder, {
      depth = 8,
      skip = function(dir)
        return not dir:match('^%.') and not dir:match('/%.') and not dir:match('node_modules$')
      end,
    })
  do
    if kind == 'file' then
      files[#files + 1] = name
    end
    if #files >= 5000 then
      break
    end
  end
  return files
end

--- Paths of the folder's files, as git lists them where it can.
---@param folder string
---@return string[]
function M.files(folder)
  local known = cache[folder]
  if known and uv.now() - known.at < KEEP_MS then
    return known.files
  end
  local ok, done = pcall(function()
    return vim
      .system({ 'git', '-C', folder, 'ls-files', '-co', '--exclude-standard' }, { text = true, timeout = 1000 })
      :wait()
  end)
  local files
  if ok and done.code == 0 then
    files = vim.split(done.stdout, '\n', { trimempty = true })
  else
    files = walk(folder)
  end
  for i = #files, FILES_MAX + 1, -1 do
    files[i] = nil
  end
  cache[folder] = { at = uv.now(), files = files }
  return files
end

--- Completion of what stands after `@`.
---@param base string without the @
---@param folder string
---@return table[] complete-items
function M.complete(base, folder)
  local items = {}
  local function add(word, menu)
    items[#items + 1] = { word = '@' .. word, menu = menu, icase = 1 }
  end
  for word, menu in vim.spairs(special) do
    if vim.startswith(word, base) then
      add(word, menu)
    end
  end
  local files = folder ~= '' and M.files(folder) or {}
  if base ~= '' then
    files = vim.fn.matchfuzzy(files, base, { limit = 50 })
  end
  for i = 1, math.min(#files, 50) do
    add(files[i]:find('%s') and ('"' .. files[i] .. '"') or files[i], 'file')
  end
  return items
end

return M
