// Hunks, as the server tells of them.
'use strict';
module.exports = (test, { api, root, assert, until, vscode, path }) => {
  const { store } = api;
  const uri = vscode.Uri.file(path.join(root, 'src/csvline.c'));
  const ask = async (prompt) => {
    const { threadId } = await vscode.commands.executeCommand('lanebridge.newThread'); // a recording is played once in a thread
    return vscode.commands.executeCommand('lanebridge.ask', { prompt, threadId });
  };

  test('two hunks wait; one is accepted, one amended', async () => {
    const document = await vscode.workspace.openTextDocument(uri);
    await vscode.window.showTextDocument(document);
    const began = Date.now();
    let applied = 0;
    const listener = vscode.workspace.onDidChangeTextDocument(() => (applied ||= Date.now()));
    await ask('allow more fields');
    await until('two hunks', () => store.of(uri).length === 2);
    listener.dispose();
    assert.ok(began < applied);
    console.log(`measured edit to painted hunk ${api.decorations.painted - applied} ms`);
    const [first, second] = store.of(uri);
    assert.deepEqual([first.hunk.old, first.hunk.new], [['enum { MAX_FIELDS = 4 };'], ['enum { MAX_FIELDS = 16 };']]);
    const lenses = await vscode.commands.executeCommand('vscode.executeCodeLensProvider', uri);
    assert.ok(lenses.filter(({ command }) => /Accept/.test(command?.title ?? '')).length >= 2);
    await vscode.commands.executeCommand('lanebridge.ui.acceptHunk', first);
    await until('one is left', () => store.of(uri).length === 1);
    await store.amend(second, '/* Mine. */');
    await until('none is left', () => store.of(uri).length === 0);
    assert.match(document.getText(), /MAX_FIELDS = 16[^]*\/\* Mine\. \*\//);
  });
  test('lines typed above a hunk move it', async () => {
    const file = vscode.Uri.file(path.join(root, 'README.md'));
    const document = await vscode.workspace.openTextDocument(file);
    await vscode.window.showTextDocument(document);
    await ask('add a last line');
    await until('a hunk', () => store.of(file).length === 1 && store.of(file)[0].hunk.new.includes('The last line.'));
    const before = store.of(file)[0].hunk.newStart;
    const edit = new vscode.WorkspaceEdit();
    edit.insert(file, new vscode.Position(0, 0), 'typed\nabove\n');
    await vscode.workspace.applyEdit(edit);
    await until('it has moved', () => store.of(file)[0]?.hunk.newStart === before + 2);
    await vscode.commands.executeCommand('lanebridge.ui.rejectAll');
    await until('it is gone', () => store.of(file).length === 0);
    assert.ok(!document.getText().includes('The last line.') && document.getText().startsWith('typed\nabove\n'));
  });
  test('a proxy is taken from VS Code, but not for hosts that it leaves out', async () => {
    const http = vscode.workspace.getConfiguration('http');
    await http.update('proxy', 'http://127.0.0.1:9', vscode.ConfigurationTarget.Global);
    await http.update('noProxy', ['*.example.com'], vscode.ConfigurationTarget.Global);
    const { proxyFor } = api;
    const settings = () => vscode.workspace.getConfiguration('http');
    await until('the settings', () => settings().get('noProxy')?.length === 1);
    assert.equal(proxyFor('wss://api.other.net/v1', settings()), 'http://127.0.0.1:9');
    assert.equal(proxyFor('wss://api.example.com/v1', settings()), undefined);
    assert.equal(proxyFor('ws://127.0.0.1:7777/v1', settings()), undefined);
    await http.update('proxy', undefined, vscode.ConfigurationTarget.Global);
    await http.update('noProxy', undefined, vscode.ConfigurationTarget.Global);
  });
};
