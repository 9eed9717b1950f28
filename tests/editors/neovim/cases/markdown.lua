-- Colours of the chat, which are worked out line by line.
local function load(t)
  vim.opt.runtimepath:prepend(t.plugin)
  return require('lanebridge.markdown')
end

--- A line with what is hidden taken out, and what is coloured, each as "text group".
local function seen(spans, text)
  local hidden, coloured = {}, {}
  for _, span in ipairs(spans) do
    if span.hide then
      for i = span[1] + 1, span[2] do
        hidden[i] = true
      end
    else
      coloured[#coloured + 1] = text:sub(span[1] + 1, span[2]) .. ' ' .. span[3]:match('^@?[^.]*%.?[^.]*')
    end
  end
  local left = text:gsub('()(.)', function(i, letter)
    return hidden[i] and '' or letter
  end)
  return left, coloured
end

local lines = {
  { 'plain words, 2 * 3 * 4, a_b_c and a ` alone', 'plain words, 2 * 3 * 4, a_b_c and a ` alone', {} },
  { 'some `code` here', 'some code here', { 'code @markup.raw' } },
  { '``a ` b``', 'a ` b', { 'a ` b @markup.raw' } },
  {
    '**strong `x`** and *it*',
    'strong x and it',
    {
      'strong `x` @markup.strong',
      'x @markup.raw',
      'it @markup.italic',
    },
  },
  { 'not \\*this\\* one', 'not \\*this\\* one', {} },
  { '## A heading', '## A heading', { '## A heading @markup.heading' } },
  { '#not one', '#not one', {} },
  { '- [x] done', '- [x] done', { '- [x] @markup.list' } },
  { '12. twelfth', '12. twelfth', { '12. @markup.list' } },
  { '> said', '> said', { '>  @punctuation.special', 'said @markup.quote' } },
  { 'see [the page](https://a.b/c).', 'see the page.', { 'the page @markup.link', 'the page @markup.link' } },
  { '~~gone~~ ünï **cödé**', 'gone ünï cödé', { 'gone @markup.strikethrough', 'cödé @markup.strong' } },
  { '**open', '**open', {} },
  { '****', '****', {} },
}

return {
  {
    'what stands in a line',
    function(t)
      local markdown = load(t)
      for _, one in ipairs(lines) do
        local left, coloured = seen(markdown.spans(one[1]), one[1])
        t.equal(left, one[2], one[1])
        t.equal(coloured, one[3], one[1])
      end
    end,
  },
  {
    'code between fences, also while it comes in',
    function(t)
      local markdown = load(t)
      local block = { lines = { 'before', '```c', 'int *x;', '**no**', '``' }, item = {} }
      t.equal(#markdown.fences(block), 1)
      local groups = {}
      for _, span in ipairs(markdown.line(block, 3)) do
        groups[block.lines[3]:sub(span[1] + 1, span[2])] = span[3]
      end
      t.equal(groups.int, '@type.builtin.c')
      t.equal(#markdown.line(block, 1), 0)
      block.lines[5] = '```'
      table.insert(block.lines, '**after**')
      block.item.done = true
      t.equal(markdown.fences(block)[1].last, 5)
      t.equal(markdown.line(block, 6)[2][3], '@markup.strong.markdown_inline')
      t.equal(markdown.line(block, 4)[1][3], '@markup.raw.block.markdown')
    end,
  },
  {
    'a diff between fences, and a longer fence around a shorter one',
    function(t)
      local markdown = load(t)
      local block = { lines = { '````diff', '-old', '+new', '```', '````', 'text' }, item = { done = true } }
      t.equal(markdown.line(block, 2)[2][3], 'Removed')
      t.equal(markdown.line(block, 3)[2][3], 'Added')
      t.equal(#markdown.fences(block), 1)
      t.equal(markdown.fences(block)[1].last, 5)
    end,
  },
}
