-- Runs the cases in one version of Neovim. usage: nvim --clean --headless -l run.lua LANEBRIDGE NVIM PLUGIN [PATTERN]
-- A pattern that begins with ! names what is left out.
-- Prints "ok NAME" or "FAILED NAME" and why, then counts; the exit code is 1 if one failed.
local here = vim.fs.dirname(vim.fs.normalize(vim.uv.fs_realpath(arg[0])))
package.path = here .. '/?.lua;' .. package.path
local harness = require('harness')
harness.lanebridge, harness.nvim, harness.plugin = arg[1], arg[2], arg[3]
harness.here = here
harness.patience = tonumber(vim.env.LANEBRIDGE_PATIENCE_MS) or 30000
harness.full = vim.env.LANEBRIDGE_FULL ~= nil
local version = vim.version()
function harness.measured(text)
  io.stdout:write(('measured in Neovim %d.%d, %s\n'):format(version.major, version.minor, text))
end
harness.traffic = vim.env.LANEBRIDGE_TRAFFIC
local pattern = arg[4]
local function wanted(name)
  if pattern and pattern:sub(1, 1) == '!' then
    return not name:find(pattern:sub(2))
  end
  return not pattern or name:find(pattern) ~= nil
end

local function print(text)
  io.stdout:write(text, '\n')
end

local passed, failed, skipped = 0, 0, 0
for _, path in ipairs(vim.fn.sort(vim.fn.glob(here .. '/cases/*.lua', true, true))) do
  local file = vim.fs.basename(path):gsub('%.lua$', '')
  for _, case in ipairs(dofile(path)) do
    local name = file .. ': ' .. case[1]
    if wanted(name) then
      if case.min and vim.version.lt(version, case.min) then
        skipped = skipped + 1
      else
        local sessions = {}
        local start = vim.uv.hrtime()
        local t = setmetatable({
          session = function(wanted)
            local session = harness.session(wanted)
            sessions[#sessions + 1] = session
            return session
          end,
        }, { __index = harness })
        --- A session in which a.c, the program, is open.
        function t.coding(wanted)
          return t.session(
            vim.tbl_extend('keep', wanted or {}, { files = { ['a.c'] = harness.program }, open = 'a.c' })
          )
        end
        local ok, err = xpcall(case[2], debug.traceback, t)
        for _, session in ipairs(sessions) do
          pcall(session.close, session)
        end
        local ms = (vim.uv.hrtime() - start) / 1e6
        if ok then
          passed = passed + 1
          print(('ok      %s (%d ms)'):format(name, ms))
        else
          failed = failed + 1
          print(('FAILED  %s (%d ms)\n%s'):format(name, ms, tostring(err)))
        end
      end
    end
  end
end
print(
  ('counted: neovim-%d.%d%s %d %d'):format(
    version.major,
    version.minor,
    pattern == '^speed' and '-speed' or '',
    passed,
    failed
  )
)
print(
  ('%d passed, %d failed, %d skipped in Neovim %d.%d.%d'):format(
    passed,
    failed,
    skipped,
    version.major,
    version.minor,
    version.patch
  )
)
os.exit(failed > 0 and 1 or 0)
