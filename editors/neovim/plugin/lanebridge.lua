-- What is there before anything of Lanebridge is loaded: a command. Nothing else is read at start-up.
if vim.g.loaded_lanebridge then
  return
end
vim.g.loaded_lanebridge = 1

if vim.fn.has('nvim-0.10') == 0 then
  return
end

vim.api.nvim_create_user_command('Lanebridge', function(args)
  require('lanebridge.command').run(args)
end, {
  nargs = '*',
  range = true,
  bang = true,
  desc = 'Lanebridge: ask an agent, answer it, decide on its edits',
  complete = function(lead, line, position)
    return require('lanebridge.command').complete(lead, line, position)
  end,
})
