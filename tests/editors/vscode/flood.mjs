// Answers that come fast: written when the tests start, they would be large files.
const sentence = (n) => `Line ${n} of it says \`a_${n}\` and **goes on**, ${n % 7 === 0 ? 'with a list:\n\n- one\n- two\n\n' : n % 11 === 0 ? '\n\n```c\nint x' + n + ' = 0;\n```\n\n' : 'as before. '}${n % 5 === 4 ? '\n\n' : ''}`;
function text(tokens) {
  let all = '';
  for (let n = 0; all.length < tokens * 4; n++) all += sentence(n);
  return all;
}
const rollout = (words, tokens, pace) => [{ rollout: words, match: { text: words } }, { pace: { delta_ms: pace, chunk: 4 }, emit: [{ type: 'message', phase: 'final_answer', text: text(tokens) }] }];

export const floods = () =>
  [
    { rollout: 'at once', match: { text: 'say it at once' } },
    { emit: [{ type: 'message', phase: 'final_answer', text: 'At once.' }] },
    ...rollout('talk for three seconds', 3000, 1),
    ...rollout('talk for a minute', 60000, 1),
    ...rollout('say four thousand', 4000, 0),
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
