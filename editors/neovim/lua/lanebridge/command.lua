-- :Lanebridge and its subcommands: one table, which completion and the help's test read as well.
local M = {}

---@class lanebridge.Call
---@field text string what stands behind the subcommand
---@field first? integer first line of the range
---@field last? integer
---@field bang boolean

---@class lanebridge.Subcommand
---@field about string
---@field run fun(call: lanebridge.Call)
---@field complete? fun(lead: string): string[]
---@field before_start? boolean makes sense without a server

local function ask()
  return require('lanebridge.ask')
end
local function chat()
  return require('lanebridge.chat')
end
local function hunks()
  return require('lanebridge.hunks')
end
local function thread()
  return require('lanebridge.thread')
end

---@type table<string, lanebridge.Subcommand>
M.subcommands = {
  chat = {
    about = 'open the chat, or go to its prompt; with ! close it',
    run = function(call)
      chat().toggle(call.bang)
    end,
  },
  ask = {
    about = 'ask; with a range, about these lines; without words, open the prompt',
    run = function(call)
      chat().ask(call)
    end,
  },
  queue = {
    about = 'ask when the turn that runs has ended; without words, what waits',
    run = function(call)
      thread().queue(call.text)
    end,
  },
  steer = {
    about = 'tell the turn that runs',
    run = function(call)
      thread().steer(call.text)
    end,
  },
  stop = {
    about = 'stop the turn that runs',
    run = function()
      ask().stop()
    end,
  },
}

---@param args table of nvim_create_user_command
function M.run(args)
  local name, rest = args.args:match('^%s*(%S*)%s*(.-)%s*$')
  if name == '' then
    name = 'chat'
  end
  local subcommand = M.subcommands[name]
  if not subcommand then
    vim.notify(('Lanebridge: there is no "%s". Try :Lanebridge <Tab>'):format(name), vim.log.levels.ERROR)
    return
  end
  subcommand.run({
    text = rest,
    first = args.range > 0 and args.line1 or nil,
    last = args.range > 0 and args.line2 or nil,
    bang = args.bang,
  })
end

---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local name = line:match('Lanebridge!?%s+(%S+)%s')
  local words
  if name then
    local subcommand = M.subcommands[name]
    words = subcommand and subcommand.complete and subcommand.complete(lead) or {}
  else
    words = vim.tbl_keys(M.subcommands)
    table.sort(words)
  end
  return vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, words)
end

return M
