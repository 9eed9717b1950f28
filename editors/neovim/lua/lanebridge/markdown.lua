-- Colours of the chat: Markdown line by line, at the moment a line is drawn. Treesitter would look at the whole
-- conversation again for each word that comes: up to 100 ms of a key's way to the screen.
local api = vim.api
local space = api.nvim_create_namespace('lanebridge_markdown')

local M = {}

---@class lanebridge.Span
---@field [1] integer first byte, from 0
---@field [2] integer the one behind the last
---@field [3]? string group
---@field hide? boolean

---@class lanebridge.Fence
---@field first integer line of the opening fence, from 1
---@field last? integer line of the closing one; absent: open
---@field ticks integer
---@field language string
---@field counted? integer lines that have been coloured
---@field rows? table<integer, lanebridge.Span[]> of code, by line from 1

local INLINE = '.markdown_inline'
local emphasis = {
  { '**', '@markup.strong' .. INLINE },
  { '__', '@markup.strong' .. INLINE, word = true },
  { '~~', '@markup.strikethrough' .. INLINE },
  { '*', '@markup.italic' .. INLINE },
  { '_', '@markup.italic' .. INLINE, word = true },
}

---@param text string
---@param at integer byte, from 1
---@param out lanebridge.Span[]
---@return integer? behind
local function code_span(text, at, out)
  local ticks = text:match('^`+', at)
  local from = at + #ticks
  local first, last = text:find(ticks, from, true)
  while first and text:sub(last + 1, last + 1) == '`' do
    local behind = text:match('^`+()', first)
    first, last = text:find(ticks, behind, true)
  end
  if not first then
    return from
  end
  out[#out + 1] = { at - 1, from - 1, hide = true }
  out[#out + 1] = { from - 1, first - 1, '@markup.raw' .. INLINE }
  out[#out + 1] = { first - 1, last, hide = true }
  return last + 1
end

---@return integer? behind
local function link(text, at, out)
  local label_end, target_end = text:match('^%[[^%[%]]+()%]%([^()%s]*%)()', at)
  if not label_end then
    return nil
  end
  out[#out + 1] = { at - 1, at, hide = true }
  out[#out + 1] = { at, label_end - 1, '@markup.link.label' .. INLINE }
  out[#out + 1] = { at, label_end - 1, '@markup.link' .. INLINE }
  out[#out + 1] = { label_end - 1, target_end - 1, hide = true }
  return target_end
end

local inline

---@return integer? behind
local function emphasized(text, at, out)
  for _, kind in ipairs(emphasis) do
    local mark = kind[1]
    local from = at + #mark
    if text:sub(at, from - 1) == mark and text:match('^%S', from) then
      local inside = kind.word and at > 1 and text:sub(at - 1, at - 1):match('%w')
      local first = not inside and text:find(mark, from + 1, true)
      while first and (text:sub(first - 1, first - 1):match('%s') or kind.word and text:match('^%w', first + #mark)) do
        first = text:find(mark, first + 1, true)
      end
      if first then
        out[#out + 1] = { at - 1, from - 1, hide = true }
        out[#out + 1] = { from - 1, first - 1, kind[2] }
        inline(text, from, first - 1, out)
        out[#out + 1] = { first - 1, first - 1 + #mark, hide = true }
        return first + #mark
      end
      return from
    end
  end
end

---@param text string
---@param at integer
---@param last integer
---@param out lanebridge.Span[]
function inline(text, at, last, out)
  while at and at <= last do
    at = text:find('[`*_~%[\\]', at)
    if not at or at > last then
      return
    end
    local letter = text:sub(at, at)
    local behind
    if letter == '\\' then
      behind = at + 2
    elseif letter == '`' then
      behind = code_span(text, at, out)
    elseif letter == '[' then
      behind = link(text, at, out)
    else
      behind = emphasized(text, at, out)
    end
    at = behind or at + 1
  end
end

--- What a line outside of code looks like.
---@param text string
---@return lanebridge.Span[]
function M.spans(text)
  local out = {}
  local hashes = text:match('^(#+)%s')
  if hashes and #hashes <= 6 then
    out[1] = { 0, #text, ('@markup.heading.%d.markdown'):format(#hashes) }
  end
  local quote = text:match('^%s*>[ >]*()')
  if quote then
    out[#out + 1] = { 0, quote - 1, '@punctuation.special.markdown' }
    out[#out + 1] = { quote - 1, #text, '@markup.quote.markdown' }
  end
  local from, to = text:match('^%s*()[-*+]()%s')
  if not from then
    from, to = text:match('^%s*()%d+[.)]()%s')
  end
  if from then
    local box = text:match('^%s%[[ xX]%]()', to)
    out[#out + 1] = { from - 1, (box or to) - 1, '@markup.list.markdown' }
    to = box or to
  end
  inline(text, to or quote or 1, #text, out)
  return out
end

--- Where code is in a block's lines. They grow at their end while an answer streams in: what has been looked
--- at is not looked at again, except the last one.
---@param block lanebridge.Block
---@return lanebridge.Fence[]
function M.fences(block)
  local lines = block.lines
  local scan = block.scan
  if not scan or scan.lines ~= lines then
    scan = { lines = lines, upto = 0, fences = {} }
    block.scan = scan
  end
  local whole = not block.item or block.item.done
  for i = scan.upto + 1, whole and #lines or #lines - 1 do
    local open = scan.fences[#scan.fences]
    local ticks, rest = lines[i]:match('^%s*(```+)%s*(.-)%s*$')
    if open and not open.last then
      if ticks and #ticks >= open.ticks and rest == '' then
        open.last = i
      end
    elseif ticks and not rest:find('`', 1, true) then
      table.insert(scan.fences, { first = i, ticks = #ticks, language = rest:match('^[%w+#_.-]*'):lower() })
    end
    scan.upto = i
  end
  return scan.fences
end

local MOST_CODE = 64 * 1024

local by_letter = { ['+'] = 'Added', ['-'] = 'Removed', ['@'] = 'Special' }

---@param code string[]
---@return table<integer, lanebridge.Span[]>
local function colour_diff(code)
  local rows = {}
  for i, line in ipairs(code) do
    local group = by_letter[line:sub(1, 1)]
    rows[i] = group and { { 0, #line, group } } or nil
  end
  return rows
end

---@param code string[]
---@param language string
---@return table<integer, lanebridge.Span[]>
local function colour_code(code, language)
  local rows = {}
  local name = vim.treesitter.language.get_lang(language) or language
  local text = table.concat(code, '\n')
  if name == '' or #text > MOST_CODE then
    return rows
  end
  local ok, parser = pcall(vim.treesitter.get_string_parser, text, name)
  local query = ok and parser and vim.treesitter.query.get(name, 'highlights')
  if not query then
    return rows
  end
  for id, node in query:iter_captures(parser:parse()[1]:root(), text) do
    local capture = query.captures[id]
    if capture:sub(1, 1) ~= '_' and capture ~= 'spell' and capture ~= 'nospell' then
      local r1, c1, r2, c2 = node:range()
      for row = r1, r2 do
        local line = code[row + 1]
        if line then
          rows[row + 1] = rows[row + 1] or {}
          local to = row == r2 and c2 or #line
          table.insert(rows[row + 1], { row == r1 and c1 or 0, to, ('@%s.%s'):format(capture, name) })
        end
      end
    end
  end
  return rows
end

--- Code that still comes is coloured again when there is a fifth more of it.
---@param fence lanebridge.Fence
---@param lines string[]
---@return table<integer, lanebridge.Span[]>
local function coloured(fence, lines)
  local count = (fence.last or #lines) - fence.first - 1
  local known = fence.counted
  if not known or (fence.last and known ~= count) or count > known * 1.2 then
    local code = vim.list_slice(lines, fence.first + 1, fence.first + count)
    fence.rows = fence.language == 'diff' and colour_diff(code) or colour_code(code, fence.language)
    fence.counted = count
  end
  return fence.rows
end

--- What a line of a block looks like.
---@param block lanebridge.Block
---@param row integer from 1
---@return lanebridge.Span[]
function M.line(block, row)
  local text = block.lines[row] or ''
  local fences = M.fences(block)
  for i = #fences, 1, -1 do
    local fence = fences[i]
    if row == fence.first or row == fence.last then
      local ticks = text:match('^%s*`+()')
      return { { 0, ticks - 1, hide = true }, { ticks - 1, #text, 'LanebridgeDim' } }
    elseif row > fence.first and (not fence.last or row < fence.last) then
      local spans = { { 0, #text, '@markup.raw.block.markdown' } }
      return vim.list_extend(spans, coloured(fence, block.lines)[row - fence.first] or {})
    elseif row > fence.first then
      break
    end
  end
  return M.spans(text)
end

---@param one lanebridge.View
---@param row integer from 0
---@return lanebridge.Block?
local function block_at(one, row)
  local low, high = 1, #one.blocks
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if one.blocks[middle].start <= row then
      low = middle
    else
      high = middle - 1
    end
  end
  local block = one.blocks[low]
  return block and row < block.start + #block.lines and block or nil
end

---@param one lanebridge.View
---@param row integer
local function draw(one, row)
  local block = row < one.height and block_at(one, row)
  local spans
  if block then
    spans = M.line(block, row - block.start + 1)
  else
    spans = M.spans(api.nvim_buf_get_lines(one.buf, row, row + 1, false)[1] or '')
  end
  for _, span in ipairs(spans) do
    if span[2] > span[1] then
      api.nvim_buf_set_extmark(one.buf, space, row, span[1], {
        end_row = row,
        end_col = span[2],
        hl_group = span[3],
        conceal = span.hide and '' or nil,
        ephemeral = true,
        strict = false,
      })
    end
  end
end

--- Colours the chats from now on.
---@param views table<integer, lanebridge.View>
function M.attach(views)
  api.nvim_set_decoration_provider(space, {
    on_win = function(_, _, buf)
      return views[buf] ~= nil
    end,
    on_line = function(_, _, buf, row)
      draw(views[buf], row)
    end,
  })
end

return M
