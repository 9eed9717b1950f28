'use strict';
module.exports = (test, { api, root, assert, until, vscode, fs, path }) => {
  const { bridge } = api;
  const opened = async (name) => {
    const document = await vscode.workspace.openTextDocument(path.join(root, name));
    await vscode.window.showTextDocument(document);
    return document;
  };
  test('it is activated, and the server runs', async () => {
    await until('running', () => bridge.state === 'running');
    console.log(`measured activation ${api.activationMs.toFixed(1)} ms (goal: 150), server ready ${bridge.startedMs} ms`);
  });
  test('the status comes, and names the folders', async () => {
    const status = await bridge.request('status/get');
    assert.deepEqual(status.folders, vscode.workspace.workspaceFolders.map(({ uri }) => uri.fsPath));
  });
  test('an edit reaches a document with unsaved text, which stays', async () => {
    const document = await opened('README.md');
    const edit = new vscode.WorkspaceEdit();
    edit.insert(document.uri, new vscode.Position(0, 0), 'mine, unsaved\n');
    assert.ok(await vscode.workspace.applyEdit(edit));
    const { turnId } = await vscode.commands.executeCommand('lanebridge.ask', { prompt: 'edit the dirty readme' });
    assert.ok(turnId);
    await until('the edit', () => document.getText().includes('written by the agent'));
    assert.ok(document.getText().startsWith('mine, unsaved\n'));
    assert.ok(document.isDirty);
    assert.ok(!fs.readFileSync(path.join(root, 'README.md'), 'utf8').includes('mine, unsaved'));
  });
};
