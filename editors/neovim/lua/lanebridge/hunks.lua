local M = {}
function M.on_updated() end
function M.count() return 0 end
return M
