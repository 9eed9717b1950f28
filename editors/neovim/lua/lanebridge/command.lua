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
local function review()
  return require('lanebridge.review')
end
local function client()
  return require('lanebridge.client')
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

--- What a function of a module does with the call.
---@param module string
---@param name string
local function of(module, name)
  return function(call)
    require('lanebridge.' .. module)[name](call)
  end
end

--- Words that a module knows.
---@param module string
---@param name string
local function words_of(module, name)
  return function()
    local known = require('lanebridge.' .. module)[name]
    return type(known) == 'table' and known or known()
  end
end

---@type table<string, lanebridge.Subcommand>
M.subcommands = {
  accept = { about = 'accept the hunk here; `file`, `all`', run = decide('accept'), complete = words('file', 'all') },
  amend = {
    about = 'change the hunk here in a window; writing it accepts it so',
    run = function()
      review().amend()
    end,
  },
  approve = {
    about = 'open what is asked: an approval, a question, a key',
    run = function()
      require('lanebridge.approval').open()
    end,
  },
  archive = {
    about = 'put the conversation away; `no` takes it back out',
    run = of('threads', 'archive'),
    complete = words('no'),
  },
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
  commit = {
    about = 'a message for what is staged, into the commit you are writing',
    run = of('git', 'commit_message'),
  },
  compact = { about = 'make the conversation shorter for the model', run = of('threads', 'compact') },
  continue = { about = 'let a turn that was cut off go on', run = of('turns', 'continue') },
  delete = { about = 'delete the conversation, after asking', run = of('threads', 'delete') },
  diff = {
    about = 'the file beside what it was without its hunks',
    run = function()
      review().diff()
    end,
  },
  edit = { about = 'change these lines, by a prompt at the cursor', run = of('inline', 'edit') },
  effort = {
    about = "the model's effort, from the next turn on",
    run = of('choose', 'effort'),
    complete = words_of('choose', 'efforts'),
  },
  explain = { about = 'explain these lines, or the file', run = of('inline', 'explain') },
  export = {
    about = 'the conversation as a text',
    run = of('threads', 'export'),
    complete = words('markdown', 'json'),
  },
  fix = { about = 'fix the diagnostics of these lines', run = of('inline', 'fix') },
  fork = {
    about = 'a new conversation that begins as this one, up to the turn at the cursor',
    run = of('threads', 'fork'),
  },
  hunks = {
    about = 'all hunks, in the quickfix list',
    run = function()
      review().quickfix()
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
    run = of('choose', 'mode'),
    complete = words_of('choose', 'modes'),
  },
  menu = { about = 'what can be done now, to choose from', run = of('choose', 'menu') },
  model = {
    about = 'the model, from the next turn on',
    run = of('choose', 'model'),
    complete = words_of('choose', 'known_models'),
  },
  new = { about = 'a new conversation', run = of('threads', 'new') },
  next = {
    about = 'to the next hunk, through all files',
    run = function()
      review().go(1)
    end,
  },
  plan = {
    about = 'carry the plan out, with the steps you leave; in the mode named',
    run = of('turns', 'accept_plan'),
    complete = words('ask', 'auto'),
  },
  preview = { about = 'what a prompt would send; without words, that of the chat', run = of('report', 'preview') },
  previous = {
    about = 'to the previous hunk',
    run = function()
      review().go(-1)
    end,
  },
  queue = { about = 'ask when the turn that runs has ended; without words, what waits', run = of('turns', 'queue') },
  redo = { about = 'do an undone turn again', run = of('turns', 'redo') },
  reject = { about = 'reject the hunk here; `file`, `all`', run = decide('reject'), complete = words('file', 'all') },
  rename = { about = 'give the conversation another title', run = of('threads', 'rename') },
  restart = {
    about = 'end the server and start it anew',
    run = function()
      client().restart()
    end,
  },
  retry = { about = 'ask again what the last turn, or that at the cursor, was asked', run = of('turns', 'retry') },
  review = {
    about = 'have changes reviewed: what is not committed, staged, a branch, a commit',
    run = of('git', 'review'),
    complete = words_of('git', 'targets'),
  },
  rules = { about = 'what you have allowed, to take it back', run = of('report', 'rules') },
  sent = { about = 'what went to the model in the last turn, or that at the cursor', run = of('report', 'sent') },
  start = {
    about = 'start the server for this file',
    run = function()
      client().start(0)
    end,
  },
  status = { about = 'connection, sandbox, model, folders', run = of('report', 'status') },
  steer = { about = 'tell the turn that runs', run = of('turns', 'steer') },
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
  threads = {
    about = 'conversations of this folder, those with the words behind it; with ! archived ones too',
    run = of('threads', 'pick'),
  },
  trust = { about = 'trust this folder; `no` takes that back', run = of('report', 'trust'), complete = words('no') },
  undo = {
    about = 'undo the last turn, or that at the cursor; what you did since stays',
    run = of('turns', 'undo'),
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
