-- What has to do with git: having changes reviewed, and a message for a commit.
local ask = require('lanebridge.ask')
local client = require('lanebridge.client')
local thread = require('lanebridge.thread')

local M = {}

local targets = {
  { target = 'changes', label = 'What is not committed' },
  { target = 'staged', label = 'What is staged' },
  { target = 'branch', label = 'This branch against another …', prompt = 'Against which branch? ', default = 'main' },
  { target = 'commit', label = 'A commit …', prompt = 'Which commit? ', default = 'HEAD' },
}

---@param target string
---@param base? string
---@param text? string
local function start(target, base, text)
  local folder = ask.folder()
  -- A thread of its folder: of several folders the server would take the first.
  ask.thread(folder, function(id)
    client.request('lanebridge/review/start', {
      threadId = id,
      target = target,
      base = base,
      text = text ~= '' and text or nil,
    }, function(result)
      thread.show_started(result, folder)
    end)
  end)
end

---@param one table of targets
---@param base string what stands behind it: the base, and what to look at
local function choose(one, base)
  local name, text = base:match('^(%S*)%s*(.*)$')
  if not one.prompt then
    return start(one.target, nil, base)
  elseif name ~= '' then
    return start(one.target, name, text)
  end
  vim.ui.input({ prompt = one.prompt, default = one.default }, function(given)
    if given and vim.trim(given) ~= '' then
      start(one.target, vim.trim(given))
    end
  end)
end

--- :Lanebridge review: of what is named, else of what is chosen.
---@param call lanebridge.Call
function M.review(call)
  local word, rest = call.text:match('^(%S*)%s*(.*)$')
  if word == '' then
    return vim.ui.select(targets, {
      prompt = 'Review',
      format_item = function(one)
        return one.label
      end,
    }, function(one)
      if one then
        choose(one, '')
      end
    end)
  end
  for _, one in ipairs(targets) do
    if one.target == word then
      return choose(one, rest)
    end
  end
  thread.say(('there is no "%s" to review: changes, staged, branch NAME or commit NAME'):format(word))
end

--- For completion.
function M.targets()
  return vim.tbl_map(function(one)
    return one.target
  end, targets)
end

--- Above what stands in a commit's buffer, whose first line is empty unless it is amended.
local function put(buf, lines)
  local first = vim.api.nvim_buf_get_lines(buf, 0, 1, false)[1]
  vim.api.nvim_buf_set_lines(buf, 0, first == '' and 1 or 0, false, lines)
end

--- A commit message, put into a commit's buffer where the cursor is in one, else shown.
function M.commit_message()
  local buf = vim.api.nvim_get_current_buf()
  local folder = ask.folder()
  thread.say('reading what is staged …')
  client.request('lanebridge/commit/message', {
    folder = folder ~= '' and vim.uri_from_fname(folder) or nil,
  }, function(result)
    local lines = vim.split(vim.trim(result.message), '\n')
    if vim.api.nvim_buf_is_valid(buf) and vim.bo[buf].filetype == 'gitcommit' then
      return put(buf, lines)
    end
    thread.show_text('commit', lines, 'gitcommit')
  end)
end

return M
