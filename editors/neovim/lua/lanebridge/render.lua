-- Items and turns as Markdown lines. Pure: what is known comes in, lines and marks go out.
local util = require('lanebridge.util')

local M = {}

local function split(text)
  return vim.split((text or ''):gsub('\r', ''), '\n', { plain = true })
end

--- A fence that the text does not contain.
local function fence(lines)
  local longest = 2
  for _, line in ipairs(lines) do
    local ticks = line:match('^%s*(`+)')
    longest = math.max(longest, ticks and #ticks or 0)
  end
  return ('`'):rep(longest + 1)
end

--- Text of a call, in at most `max` lines: first and last ones.
local function cut(lines, max)
  if #lines <= max then
    return lines
  end
  local half = math.floor(max / 2)
  local out = vim.list_slice(lines, 1, half)
  out[#out + 1] = ('… %d lines left out …'):format(#lines - 2 * half)
  return vim.list_extend(out, vim.list_slice(lines, #lines - half + 1))
end

local function trim_end(lines)
  while #lines > 0 and lines[#lines]:match('^%s*$') do
    lines[#lines] = nil
  end
  return lines
end

---@param diff string
---@return integer added, integer removed
local function count_diff(diff)
  local added, removed = 0, 0
  for line in diff:gmatch('[^\n]+') do
    local start, three = line:sub(1, 1), line:sub(1, 3)
    if start == '+' and three ~= '+++' then
      added = added + 1
    elseif start == '-' and three ~= '---' then
      removed = removed + 1
    end
  end
  return added, removed
end

local icons = {
  running = { '◌', 'LanebridgeRunning' },
  good = { '✓', 'LanebridgeGood' },
  bad = { '✗', 'LanebridgeBad' },
  thought = { '∴', 'LanebridgeDim' },
}

local function code(text)
  text = util.clip(text, 100)
  local ticks = text:find('`', 1, true) and '``' or '`'
  return ticks .. text .. ticks
end

--- What a call is about, without the tool's name.
---@param item lanebridge.Item
---@return string?
local function subject(item)
  local title = item.title ~= '' and item.title or nil
  if title and item.tool and vim.startswith(title, item.tool .. ': ') then
    title = title:sub(#item.tool + 3)
  end
  return title
end

---@param item lanebridge.Item
local function call_details(item)
  local details = {}
  if item.type == 'commandExecution' and item.done then
    details[#details + 1] = item.exitCode and ('exit %d'):format(item.exitCode) or item.text
  elseif item.diff then
    details[#details + 1] = ('+%d −%d'):format(count_diff(item.diff))
  elseif item.done and item.text then
    local text, about = item.text, subject(item)
    if about and vim.startswith(text, about .. ' ') then
      text = text:sub(#about + 2)
    end
    details[#details + 1] = util.clip(text, 60)
  elseif not item.done and item.children then
    local last = item.children[#item.children]
    details[#details + 1] = util.count(#item.children, 'call')
    details[#details + 1] = util.clip(last.title or last.tool or last.type, 40)
  elseif not item.done then
    details[#details + 1] = 'running'
  end
  if item.done and (item.ranMs or 0) >= 100 then
    details[#details + 1] = util.duration(item.ranMs)
  end
  return details
end

local verbs = {
  commandExecution = '',
  fileChange = 'edit ',
}

---@param item lanebridge.Item
---@return string[] lines, table[] marks
local function call_header(item)
  local icon = not item.done and icons.running or (item.ok == false and icons.bad or icons.good)
  local verb = verbs[item.type] or ((item.tool or item.type) .. ' ')
  local title = subject(item)
  local line = icon[1] .. ' ' .. verb .. (title and code(title) or '')
  local head = #line
  local details = call_details(item)
  if #details > 0 then
    line = line .. ' · ' .. table.concat(details, ' · ')
  end
  local hl = { { 0, 0, #icon[1], icon[2] }, { 0, head, #line, 'LanebridgeDim' } }
  return line, hl
end

---@param item lanebridge.Item
---@param max integer
local function call_body(item, max)
  local text, language
  if item.diff then
    text, language = item.diff, 'diff'
  elseif item.done then
    text, language = item.output or '', ''
  else
    text, language = item.live or '', ''
  end
  local lines = trim_end(split(text))
  if #lines == 0 then
    return {}
  end
  lines = cut(lines, max)
  local ticks = fence(lines)
  table.insert(lines, 1, ticks .. language)
  lines[#lines + 1] = ticks
  return lines
end

local function call(item, after_fold, max)
  local line, hl = call_header(item)
  local lines = { line }
  for _, child in ipairs(item.children or {}) do
    lines[#lines + 1] = '  ' .. call_header(child)
  end
  vim.list_extend(lines, call_body(item, max))
  local fold = 1
  if not after_fold then
    table.insert(lines, 1, '')
    fold = 2
    for _, mark in ipairs(hl) do
      mark[1] = mark[1] + 1
    end
  end
  return lines, fold, hl
end

local function reasoning(item, after_fold, _)
  local text = split(vim.trim(item.text or item.live or ''))
  local first = (text[1] or ''):gsub('^%*+', ''):gsub('%*+$', '')
  local head = icons.thought[1] .. ' ' .. (item.done and 'thought' or 'thinking')
  if first ~= '' then
    head = head .. ' · ' .. util.clip(first, 70)
  end
  local lines, fold = { head }, 1
  for _, line in ipairs(text) do
    lines[#lines + 1] = '> ' .. line
  end
  if first ~= '' then
    lines[#lines + 1] = '' -- the fold's end, which stays while lines come before it
  end
  if not after_fold then
    table.insert(lines, 1, '')
    fold = 2
  end
  return lines, fold, { { fold - 1, 0, #head, 'LanebridgeDim' } }
end

local function message(item)
  local lines = split(item.text or table.concat(item.pieces or {}))
  table.insert(lines, 1, '')
  return lines, nil, {}
end

local function user(item)
  local lines = { '', '## You' }
  local hl = {}
  for _, line in ipairs(trim_end(split(item.text))) do
    lines[#lines + 1] = line
    hl[#hl + 1] = { #lines - 1, line = 'LanebridgeUser' }
  end
  return lines, nil, hl
end

local boxes = { completed = '- [x] ', in_progress = '- [ ] **', pending = '- [ ] ' }

local function plan(item, after_fold, max)
  local ok, told = pcall(vim.json.decode, item.output or '', { luanil = { object = true } })
  if not ok or type(told) ~= 'table' or type(told.plan) ~= 'table' then
    return call(item, after_fold, max)
  end
  local lines = { '' }
  if told.explanation and told.explanation ~= '' then
    vim.list_extend(lines, split(told.explanation))
  end
  for _, step in ipairs(told.plan) do
    local box = boxes[step.status] or boxes.pending
    lines[#lines + 1] = box .. util.clip(step.step or '', 200) .. (step.status == 'in_progress' and '**' or '')
  end
  return lines, nil, {}
end

local function failure(item)
  local lines = split('**Error:** ' .. (item.text or ''))
  table.insert(lines, 1, '')
  return lines, nil, { { 1, 0, 10, 'LanebridgeBad' } }
end

local function remark(item)
  local line = '*' .. util.clip(item.text or item.title or item.type, 300) .. '*'
  return { '', line }, nil, { { 1, 0, #line, 'LanebridgeDim' } }
end

local by_type = {
  userMessage = user,
  agentMessage = message,
  reasoning = reasoning,
  plan = plan,
  error = failure,
  compaction = remark,
}

---@param item lanebridge.Item
---@param after_fold boolean the block above is a call
---@param max integer lines of output
---@return string[] lines, integer? fold, table[] marks
function M.item(item, after_fold, max)
  local fn = by_type[item.type] or call
  local lines, fold, hl = fn(item, after_fold, max)
  for i, line in ipairs(lines) do
    if line:find('\n', 1, true) or line:find('\0', 1, true) then
      lines[i] = line:gsub('[\n%z]', ' ')
    end
  end
  return lines, fold, hl
end

---@param turn lanebridge.Turn
local function ended(turn)
  local parts = {}
  if turn.status == 'interrupted' then
    parts[#parts + 1] = 'stopped'
  end
  if turn.timing then
    parts[#parts + 1] = util.duration(turn.timing.totalMs)
  end
  local usage = turn.usage
  if usage and usage.inputTokens > 0 then
    local cached = math.floor(100 * usage.cachedTokens / usage.inputTokens + 0.5)
    parts[#parts + 1] = ('%s tokens in (%d %% cached), %s out'):format(
      util.short(usage.inputTokens),
      cached,
      util.short(usage.outputTokens)
    )
  end
  return table.concat(parts, ' · ')
end

--- What can be done about a plan, while nothing else has been asked.
---@param turn lanebridge.Turn
---@param thread lanebridge.Thread
local function plan_hint(turn, thread)
  if turn.status ~= 'completed' or thread.mode ~= 'plan' or thread.turns[#thread.turns] ~= turn then
    return nil
  end
  return '*A plan? P here, or `:Lanebridge plan`, has its steps carried out.*'
end

---@param turn lanebridge.Turn
---@param thread lanebridge.Thread
---@return string[] lines, table[] marks
function M.turn_end(turn, thread)
  if turn.status == 'queued' then
    local line = '*waits: ' .. util.clip(turn.text ~= '' and turn.text or 'a prompt', 80) .. '*'
    return { '', line }, { { 1, 0, #line, 'LanebridgeDim' } }
  end
  if turn.status == 'running' then
    if not turn.notice then
      return {}, {}
    end
    local line = '*' .. util.clip(turn.notice, 300) .. '*'
    return { '', line }, { { 1, 0, #line, 'LanebridgeDim' } }
  end
  local lines, hl = { '' }, {}
  if turn.status == 'failed' then
    for _, line in ipairs(split('**Failed:** ' .. (turn.error or 'no reason was given'))) do
      lines[#lines + 1] = line
    end
    hl[#hl + 1] = { 1, 0, 11, 'LanebridgeBad' }
  end
  local line = ended(turn)
  if line ~= '' then
    line = '*' .. line .. '*'
    lines[#lines + 1] = line
    hl[#hl + 1] = { #lines - 1, 0, #line, 'LanebridgeDim' }
  end
  lines[#lines + 1] = plan_hint(turn, thread)
  return #lines > 1 and lines or {}, hl
end

---@param thread lanebridge.Thread
---@return string[] lines, table[] marks
function M.head(thread)
  local title = util.clip(thread.title ~= '' and thread.title or 'New conversation', 200)
  if #title >= 57 then
    title = title:gsub('%s+%S*$', '') .. ' …' -- the server cuts it, within a word
  end
  local lines = { '# ' .. title }
  if thread.canContinue then
    lines[#lines + 1] = ''
    lines[#lines + 1] = '*The last turn was cut off: C here, or `:Lanebridge continue`, lets it go on.*'
  end
  return lines, {}
end

return M
