-- What the server asks of the editor: diagnostics, symbols and edits of other language servers, context, keys.
local program = 'int äold(void)\n{\n    return 1;\n}\n'

--- A language server inside the editor, which counts in UTF-16.
local fake = [[
  _G.handlers = {}
  vim.lsp.start({
    name = 'fake',
    root_dir = vim.fn.getcwd(),
    cmd = function()
      local id = 0
      return {
        request = function(method, params, callback)
          id = id + 1
          local result
          if method == 'initialize' then
            result = { capabilities = {
              positionEncoding = 'utf-16',
              documentSymbolProvider = true, workspaceSymbolProvider = true, definitionProvider = true,
              referencesProvider = true, renameProvider = true, documentFormattingProvider = true,
              codeActionProvider = true,
            } }
          elseif _G.handlers[method] then
            result = _G.handlers[method](params)
          end
          vim.schedule(function() callback(nil, result) end)
          return true, id
        end,
        notify = function() return true end,
        is_closing = function() return false end,
        terminate = function() end,
      }
    end,
  }, { bufnr = 0 })
]]

--- Calls what answers the server, as it would be called by it.
local call = [[
  local name, params = ...
  local client = vim.lsp.get_clients({ name = 'lanebridge' })[1]
  local answer, done
  coroutine.wrap(function()
    local result, err = require('lanebridge.editor')[name](params, { client_id = client.id })
    answer, done = result or { error = err }, true
  end)()
  vim.wait(6000, function() return done end, 5)
  return answer
]]

local encoding = "return vim.lsp.get_clients({ name = 'lanebridge' })[1].offset_encoding"

local function with_fake(t)
  local s = t.session({ files = { ['a.c'] = program }, open = 'a.c' })
  s:lua(fake)
  s:wait('the other server', 'return #vim.lsp.get_clients({ bufnr = 0 }) == 2')
  s.uri = vim.uri_from_fname(s.work .. '/a.c')
  -- The name is at character 4; behind it is 8 in UTF-16 and 9 in bytes.
  s.behind = s:lua(encoding) == 'utf-8' and 9 or 8
  s:lua(
    [[ _G.uri = ...
    _G.name = { start = { line = 0, character = 4 }, ['end'] = { line = 0, character = 8 } } ]],
    s.uri
  )
  return s
end

return {
  {
    'diagnostics, in our encoding',
    function(t)
      local s = with_fake(t)
      s:lua([[
        vim.diagnostic.set(vim.api.nvim_create_namespace('fake'), 0, { {
          lnum = 0, col = 4, end_lnum = 0, end_col = 9, message = 'a bad name', severity = 2, source = 'fake',
        } })
      ]])
      local answer = s:lua(call, 'diagnostics', { uris = { s.uri } })
      t.equal(#answer.files, 1)
      local found = answer.files[1].diagnostics[1]
      t.equal(found.message, 'a bad name')
      t.equal(found.severity, 2)
      t.equal(found.range['end'].character, s.behind)
    end,
  },
  {
    'symbols, definition, references',
    function(t)
      local s = with_fake(t)
      s:lua([[
        _G.handlers['textDocument/documentSymbol'] = function()
          return { { name = 'äold', kind = 12, range = _G.name, selectionRange = _G.name } }
        end
        _G.handlers['textDocument/definition'] = function(params)
          _G.asked = params.position
          return { uri = _G.uri, range = _G.name }
        end
        _G.handlers['textDocument/references'] = function() return { { uri = _G.uri, range = _G.name } } end
      ]])
      local symbols = s:lua(call, 'symbols', { uri = s.uri }).symbols
      t.equal(symbols[1].name, 'äold')
      t.equal(symbols[1].range['end'].character, s.behind)
      local place = { uri = s.uri, position = { line = 0, character = s.behind } }
      local locations = s:lua(call, 'definition', place).locations
      t.equal(s:lua('return _G.asked.character'), 8)
      t.equal(locations[1].text, 'int äold(void)')
      t.equal(locations[1].range['end'].character, s.behind)
      t.equal(#s:lua(call, 'references', place).locations, 1)
    end,
  },
  {
    'rename, format and code actions give edits, and apply none',
    function(t)
      local s = with_fake(t)
      s:lua([[
        _G.handlers['textDocument/rename'] = function(params)
          return { changes = { [_G.uri] = { { range = _G.name, newText = params.newName } } } }
        end
        _G.handlers['textDocument/formatting'] = function() return { { range = _G.name, newText = 'x' } } end
        _G.handlers['textDocument/codeAction'] = function()
          return {
            { title = 'Only a command', command = 'do.it' },
            { title = 'Shorter', edit = { changes = { [_G.uri] = { { range = _G.name, newText = 'y' } } } } },
          }
        end
      ]])
      local range = { start = { line = 0, character = 4 }, ['end'] = { line = 0, character = s.behind } }
      local renamed = s:lua(call, 'rename', { uri = s.uri, position = range.start, newName = 'new' }).edit
      t.equal(renamed.documentChanges[1].textDocument, { uri = s.uri, version = 0 })
      t.equal(renamed.documentChanges[1].edits[1].range['end'].character, s.behind)
      local formatted = s:lua(call, 'format', { uri = s.uri }).edit
      t.equal(formatted.documentChanges[1].edits[1].newText, 'x')
      local action = s:lua(call, 'code_action', { uri = s.uri, range = range })
      t.equal(action.titles, { 'Shorter' })
      t.equal(action.edit.documentChanges[1].edits[1].newText, 'y')
      t.equal(table.concat(s:lines('a.c'), '\n') .. '\n', program)
    end,
  },
  {
    'a rename by the model, through the other server, is an edit like any other',
    function(t)
      local s = t.session({
        files = { ['a.c'] = program },
        open = 'a.c',
        replay = {
          { rollout = 'rename', match = { text = 'rename' } },
          {
            emit = {
              {
                type = 'function_call',
                call = 'r',
                name = 'rename_symbol',
                arguments = { path = 'a.c', symbol = 'äold', new_name = 'new' },
              },
            },
          },
          t.says('Renamed.'),
        },
      })
      s:lua(fake)
      s:lua([[ _G.uri = vim.uri_from_bufnr(0)
        _G.handlers['textDocument/rename'] = function(params)
          local name = { start = { line = 0, character = 4 }, ['end'] = { line = 0, character = 8 } }
          return { changes = { [_G.uri] = { { range = name, newText = params.newName } } } }
        end ]])
      s:ask('rename it')
      t.equal(s:wait_turn(), 'completed')
      t.equal(s:lines('a.c')[1], 'int new(void)')
      s:wait('a hunk', "return require('lanebridge.hunks').count() == 1")
    end,
  },
  {
    'the model reads what the other servers report',
    function(t)
      local s = t.session({
        files = { ['a.c'] = program },
        open = 'a.c',
        replay = {
          { rollout = 'look', match = { text = 'look' } },
          {
            emit = {
              {
                type = 'function_call',
                call = 'd',
                name = 'diagnostics',
                arguments = { paths = { 'a.c' }, min_severity = 'warning' },
              },
              { type = 'function_call', call = 's', name = 'symbols', arguments = { path = 'a.c' } },
            },
          },
          t.says('I see it.', { expect = { outputs = { d = 'a bad name', s = 'äold' } } }),
        },
      })
      s:lua(fake)
      s:lua([[
        vim.diagnostic.set(vim.api.nvim_create_namespace('fake'), 0, { {
          lnum = 0, col = 4, end_lnum = 0, end_col = 9, message = 'a bad name', severity = 2, source = 'fake',
        } })
        local name = { start = { line = 0, character = 4 }, ['end'] = { line = 0, character = 8 } }
        _G.handlers['textDocument/documentSymbol'] = function()
          return { { name = 'äold', kind = 12, range = name, selectionRange = name } }
        end
      ]])
      s:ask('look')
      t.equal(s:wait_turn(), 'completed')
    end,
  },
  {
    'what I look at',
    function(t)
      local s = with_fake(t)
      s:keys('GVk')
      s:wait('the selection', "return vim.api.nvim_get_mode().mode == 'V'")
      local context = s:lua(call, 'context', {})
      t.equal(context.active, s.uri)
      t.equal(context.open, { s.uri })
      t.equal(context.selection.start, { line = 2, character = 0 })
      t.equal(context.visible[1].uri, s.uri)
    end,
  },
  {
    'a key from setup',
    function(t)
      local s = t.session({
        files = { ['a.c'] = program },
        key = '',
        token = 'only-this-one',
        setup = false,
        replay = { { rollout = 'hello', match = { text = 'hello' } }, t.says('Hello.') },
      })
      s:lua(
        [[
        local options = ...
        options.secret = function(name) return name == 'apiKey' and 'only-this-one' or nil end
        require('lanebridge').setup(options)
      ]],
        {
          cmd = { t.lanebridge, 'lsp' },
          trusted = true,
          settings = { endpoint = { url = s.url } },
        }
      )
      s:edit('a.c')
      s:ask('hello')
      t.equal(s:wait_turn(), 'completed')
    end,
  },
}
