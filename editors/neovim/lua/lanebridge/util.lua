-- Small things that differ between Neovim's versions, and texts.
local M = {}

---@param text string
---@param encoding string
---@return integer length in units of the encoding
function M.units(text, encoding)
  if encoding == 'utf-8' then
    return #text
  end
  local utf32, utf16 = vim.str_utfindex(text)
  return encoding == 'utf-16' and utf16 or utf32
end

---@param text string
---@param encoding string
---@param units integer
---@return integer byte
function M.byte(text, encoding, units)
  if encoding == 'utf-8' then
    return math.min(units, #text)
  end
  local ok, byte = pcall(vim.str_byteindex, text, units, encoding == 'utf-16')
  return ok and byte or #text
end

---@param count integer
---@param one string
---@param many? string
function M.count(count, one, many)
  return ('%d %s'):format(count, count == 1 and one or many or (one .. 's'))
end

---@param ms number
function M.duration(ms)
  if ms < 1000 then
    return ('%d ms'):format(ms)
  elseif ms < 60000 then
    return ('%.1f s'):format(ms / 1000)
  end
  return ('%d min %d s'):format(math.floor(ms / 60000), math.floor(ms / 1000) % 60)
end

---@param number integer
function M.short(number)
  if number < 1000 then
    return tostring(number)
  elseif number < 999950 then
    return ('%.1f k'):format(number / 1000)
  end
  return ('%.1f M'):format(number / 1000000)
end

--- Text in at most `width` cells, on one line.
---@param text string
---@param width integer
function M.clip(text, width)
  text = text:gsub('%s*\n%s*', ' ⏎ ')
  if vim.fn.strdisplaywidth(text) <= width then
    return text
  end
  while text ~= '' and vim.fn.strdisplaywidth(text) > width - 1 do
    text = vim.fn.strcharpart(text, 0, vim.fn.strchars(text) - 1)
  end
  return text .. '…'
end

--- A request to another client, in both ways they are written.
---@param other table
---@param method string
---@param params table
---@param callback fun(err?: table, result?: any)
---@param bufnr integer
function M.request(other, method, params, callback, bufnr)
  if vim.fn.has('nvim-0.11') == 1 then
    return other:request(method, params, callback, bufnr)
  end
  return other.request(method, params, callback, bufnr)
end

---@param other table
---@param method string
---@param bufnr integer
function M.supports(other, method, bufnr)
  if vim.fn.has('nvim-0.11') == 1 then
    return other:supports_method(method, bufnr)
  end
  return other.supports_method(method, { bufnr = bufnr })
end

return M
