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
---@field complete? fun(): string[]

local function ask()
  return require('lanebridge.ask')
end
local function chat()
  return require('lanebridge.chat')
end
local function hunks()
  return require('lanebridge.hunks')
end
local function client()
  return require('lanebridge.client')
end
local function thread()
  return require('lanebridge.thread')
end

local function words(...)
  local list = { ... }
  return function()
    return list
  end
end

---@param verb 'accept'|'reject'
local function decide(verb)
  return function(call)
    hunks().decide(verb, call)
  end
end

---@param name string of a function of thread.lua that takes what stands behind the subcommand
local function of_thread(name, ...)
  local more = { ... }
  return function(call)
    local arguments = vim.list_extend(vim.list_slice(more), { call.text })
    thread()[name](unpack(arguments))
  end
end

---@param name string
local function inline(name)
  return function(call)
    require('lanebridge.inline')[name](call)
  end
end

---@type table<string, lanebridge.Subcommand>
M.subcommands = {
  accept = { about = 'accept the hunk here; `file`, `all`', run = decide('accept'), complete = words('file', 'all') },
  amend = {
    about = 'change the hunk here in a window; writing it accepts it so',
    run = function()
      hunks().amend()
    end,
  },
  approve = {
    about = 'open what is asked: an approval, a question, a key',
    run = function()
      require('lanebridge.approval').open()
    end,
  },
  archive = { about = 'put the conversation away', run = of_thread('archive') },
  ask = {
    about = 'ask; with a range, about these lines; without words, open the prompt',
    run = function(call)
      chat().ask(call)
    end,
  },
  chat = {
    about = 'open the chat; `close` closes its window',
    run = function(call)
      chat().toggle(call.bang or call.text == 'close')
    end,
    complete = words('close'),
  },
  commit = { about = 'a message for what is staged', run = of_thread('commit_message') },
  compact = { about = 'make the conversation shorter for the model', run = of_thread('compact') },
  continue = { about = 'let a turn that was cut off go on', run = of_thread('continue') },
  delete = { about = 'delete the conversation, after asking', run = of_thread('delete') },
  diff = {
    about = 'the file beside what it was without its hunks',
    run = function()
      hunks().diff()
    end,
  },
  edit = { about = 'change these lines, by a prompt at the cursor', run = inline('edit') },
  effort = {
    about = "the model's effort, from the next turn on",
    run = of_thread('set', 'effort'),
    complete = words('low', 'medium', 'high'),
  },
  explain = { about = 'explain these lines, or the file', run = inline('explain') },
  export = {
    about = 'the conversation as a text',
    run = of_thread('export'),
    complete = words('markdown', 'json'),
  },
  fix = { about = 'fix the diagnostics of these lines', run = inline('fix') },
  fork = { about = 'a new conversation that begins as this one, up to the turn at the cursor', run = of_thread('fork') },
  hunks = {
    about = 'all hunks, in the quickfix list',
    run = function()
      hunks().quickfix()
    end,
  },
  key = {
    about = "type in the endpoint's key, for this session",
    run = function(call)
      require('lanebridge.secret').enter(call.text)
    end,
  },
  mode = {
    about = 'plan, ask or auto, from the next turn on',
    run = of_thread('set', 'mode'),
    complete = words('plan', 'ask', 'auto'),
  },
  model = { about = 'the model, from the next turn on', run = of_thread('set', 'model') },
  new = { about = 'a new conversation', run = of_thread('new') },
  next = {
    about = 'to the next hunk, through all files',
    run = function()
      hunks().go(1)
    end,
  },
  plan = {
    about = 'the plan is good: go on, in the mode named',
    run = of_thread('accept_plan'),
    complete = words('ask', 'auto'),
  },
  preview = { about = 'what a prompt would send', run = of_thread('preview') },
  previous = {
    about = 'to the previous hunk',
    run = function()
      hunks().go(-1)
    end,
  },
  queue = { about = 'ask when the turn that runs has ended; without words, what waits', run = of_thread('queue') },
  redo = { about = 'do an undone turn again', run = of_thread('undo', 'redo') },
  reject = { about = 'reject the hunk here; `file`, `all`', run = decide('reject'), complete = words('file', 'all') },
  rename = { about = 'give the conversation another title', run = of_thread('rename') },
  restart = {
    about = 'end the server and start it anew',
    run = function()
      client().restart()
    end,
  },
  retry = { about = 'ask again what the last turn, or that at the cursor, was asked', run = of_thread('retry') },
  review = {
    about = 'have the changes reviewed',
    run = of_thread('review'),
    complete = words('changes', 'staged', 'branch', 'commit'),
  },
  rules = { about = 'what you have allowed, to take it back', run = of_thread('rules') },
  sent = { about = 'what went to the model in the last turn', run = of_thread('sent') },
  start = {
    about = 'start the server for this file',
    run = function()
      client().start(0)
    end,
  },
  status = { about = 'connection, sandbox, model, folders', run = of_thread('status') },
  steer = { about = 'tell the turn that runs', run = of_thread('steer') },
  stop = {
    about = 'stop the turn that runs',
    run = function()
      ask().stop()
    end,
  },
  suggest = {
    about = 'inline completion: `on`, `off`, or the other',
    run = function(call)
      local suggest = require('lanebridge.suggest')
      suggest.enable(call.text == 'on' or (call.text ~= 'off' and not suggest.on))
    end,
    complete = words('on', 'off'),
  },
  threads = { about = 'conversations of this folder', run = of_thread('pick') },
  trust = {
    about = 'trust this folder; `no` takes that back',
    run = function(call)
      thread().trust(call.text ~= 'no')
    end,
    complete = words('no'),
  },
  undo = {
    about = 'undo the last turn, or that at the cursor; what you did since stays',
    run = of_thread('undo', 'undo'),
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
  local choices
  if name then
    local subcommand = M.subcommands[name]
    choices = subcommand and subcommand.complete and subcommand.complete() or {}
  else
    choices = vim.tbl_keys(M.subcommands)
    table.sort(choices)
  end
  return vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, choices)
end

return M
