-- Positions and edits from one connection's encoding to another's.
local util = require('lanebridge.util')

local M = {}

local api = vim.api

--- A line of a file, open or not, without its end.
---@param uri string
---@param row integer
---@return string
function M.line(uri, row)
  local path = vim.uri_to_fname(uri)
  local bufnr = vim.fn.bufnr(vim.fn.fnameescape(path))
  if bufnr > 0 and api.nvim_buf_is_loaded(bufnr) then
    return api.nvim_buf_get_lines(bufnr, row, row + 1, false)[1] or ''
  end
  local ok, iterator = pcall(io.lines, path)
  if not ok then
    return ''
  end
  local at = 0
  for text in iterator do
    if at == row then
      return (text:gsub('\r$', ''))
    end
    at = at + 1
  end
  return ''
end

---@param uri string
---@param position table
---@param from string
---@param to string
function M.convert(uri, position, from, to)
  if from == to or position.character == 0 then
    return position
  end
  local text = M.line(uri, position.line)
  local byte = util.byte(text, from, position.character)
  return { line = position.line, character = util.units(text:sub(1, byte), to) }
end

function M.convert_range(uri, range, from, to)
  return {
    start = M.convert(uri, range.start, from, to),
    ['end'] = M.convert(uri, range['end'], from, to),
  }
end

local function convert_edits(uri, edits, from, to)
  local out = {}
  for _, edit in ipairs(edits) do
    out[#out + 1] = { range = M.convert_range(uri, edit.range, from, to), newText = edit.newText }
  end
  return out
end

--- The version a document has for language servers, if it is open.
local function version_of(uri)
  local bufnr = require('lanebridge.edit').loaded(uri)
  return bufnr and (rawget(vim.lsp.util.buf_versions, bufnr) or 0) or vim.NIL
end

--- A workspace edit in our encoding, as versioned `documentChanges`.
---@param edit table
---@param from string
---@param to string
function M.convert_edit(edit, from, to)
  local changes = {}
  for uri, edits in pairs(edit.changes or {}) do
    changes[#changes + 1] = { textDocument = { uri = uri }, edits = edits }
  end
  local out = {}
  for _, change in ipairs(edit.documentChanges or changes) do
    if change.kind then
      out[#out + 1] = change
    else
      local document = change.textDocument
      local version = document.version
      if version == nil or version == vim.NIL then
        version = version_of(document.uri)
      end
      out[#out + 1] = {
        textDocument = { uri = document.uri, version = version },
        edits = convert_edits(document.uri, change.edits, from, to),
      }
    end
  end
  return { documentChanges = out }
end

return M
