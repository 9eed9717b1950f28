-- The server's configuration for `vim.lsp.enable('lanebridge')` (Neovim 0.11 and newer).
return require('lanebridge.client').config()
