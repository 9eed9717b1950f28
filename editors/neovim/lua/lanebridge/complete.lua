-- Completion in the prompt: `@` names files, `/` at the beginning names prompts of yours.
local M = {}

local api = vim.api
local prompts = {} ---@type table[]

local function read_prompts()
  local client = require('lanebridge.client')
  if client.get() then
    client.request('lanebridge/prompts/list', {}, function(result)
      prompts = result.prompts
    end, function() end)
  end
end

--- What is being completed before the cursor.
---@param line string up to the cursor
---@param first boolean the prompt's first line
---@return integer? start column, from 0
---@return table[]? items
local function candidates(line, first)
  local start, base = line:match('^()/([%w_-]*)$')
  if start and first then
    local items = {}
    for _, prompt in ipairs(prompts) do
      if vim.startswith(prompt.name, base) then
        items[#items + 1] = { word = '/' .. prompt.name, menu = prompt.description }
      end
    end
    return 0, items
  end
  start, base = line:match('()@([^%s"]*)$')
  if start and (start == 1 or line:sub(start - 1, start - 1):match('[%s(]')) then
    return start - 1, require('lanebridge.mention').complete(base, vim.b.lanebridge_folder or '')
  end
end

local function here()
  local one = require('lanebridge.chat').here()
  local at = api.nvim_win_get_cursor(0)
  if not one or at[1] <= one.height then
    return nil
  end
  return api.nvim_get_current_line():sub(1, at[2]), at[1] == one.height + 1
end

function M.omnifunc(findstart)
  local line, first = here()
  if not line then
    return findstart == 1 and -3 or {}
  end
  local start, items = candidates(line, first)
  if findstart == 1 then
    M.items = items
    return start or -3
  end
  return M.items or {}
end

local function offer()
  local line, first = here()
  if not line or vim.fn.pumvisible() == 1 and not line:match('[@/][^%s]*$') then
    return
  end
  local start, items = candidates(line, first)
  if start and #items > 0 and not (#items == 1 and items[1].word == line:sub(start + 1)) then
    vim.fn.complete(start + 1, items)
  end
end

---@param buf integer
function M.attach(buf)
  read_prompts()
  local before
  api.nvim_create_autocmd('InsertEnter', {
    buffer = buf,
    callback = function()
      before = before or vim.o.completeopt
      vim.o.completeopt = 'menuone,noinsert,noselect'
    end,
  })
  api.nvim_create_autocmd({ 'InsertLeave', 'BufLeave' }, {
    buffer = buf,
    callback = function()
      vim.o.completeopt = before or vim.o.completeopt
      before = nil
    end,
  })
  api.nvim_create_autocmd({ 'TextChangedI', 'TextChangedP' }, { buffer = buf, callback = offer })
end

return M
