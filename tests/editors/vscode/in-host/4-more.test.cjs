// Review before, notebooks, several folders, what older windows kept.
'use strict';
module.exports = (test, { api, root, assert, until, vscode, fs, path }) => {
  const { store, bridge, session } = api;
  const served = (method, params) => bridge.servers.get(`editor/${method}`)(params, new vscode.CancellationTokenSource().token);
  const settings = () => vscode.workspace.getConfiguration('lanebridge');
  const folders = vscode.workspace.workspaceFolders.map(({ uri }) => uri.fsPath);
  /** In a thread of its own. */
  const ask = async (prompt, folder = root) => {
    const { thread } = await bridge.request('thread/start', { folder: vscode.Uri.file(folder).toString() });
    const ended = new Promise((done) => {
      const listener = session.onEnd((params) => {
        if (params.threadId !== thread.id) return;
        listener.dispose();
        done(params);
      });
    });
    await bridge.request('turn/start', { threadId: thread.id, input: [{ type: 'text', text: prompt }] });
    return { threadId: thread.id, ended };
  };

  test('one server has all folders, and a thread works in the one it was begun in', async () => {
    assert.equal(folders.length, 2);
    assert.deepEqual((await bridge.request('status/get')).folders, folders);
    const { ended } = await ask('rename the readme', folders[1]);
    assert.equal((await ended).status, 'completed');
    const uri = vscode.Uri.file(path.join(folders[1], 'README.md'));
    const text = async () => (await vscode.workspace.openTextDocument(uri)).getText();
    await until('the edit', async () => /csvline, by the agent/.test(await text()));
    assert.ok(!/by the agent/.test((await vscode.workspace.openTextDocument(path.join(root, 'README.md'))).getText()), 'the other folder is left alone');
    await vscode.commands.executeCommand('lanebridge.ui.acceptAll');
  });
  test('a thread that another window has is told as such, and again once that lets go of it', async () => {
    const { thread } = await bridge.request('thread/start', { folder: vscode.Uri.file(root).toString() });
    const told = [];
    const listener = session.onThread((view) => told.push(view.thread?.leased));
    let isLeased = true;
    bridge.request = async (method, ...rest) => {
      const result = await Object.getPrototypeOf(bridge).request.call(bridge, method, ...rest);
      if (method === 'thread/read') result.thread.leased = isLeased;
      return result;
    };
    try {
      await session.open(thread.id);
      assert.equal(told.at(-1), true);
      isLeased = false;
      await until('it is free', () => told.at(-1) === false);
    } finally {
      delete bridge.request;
      listener.dispose();
      await session.open(undefined);
    }
  });
  test('a notebook is politely left alone, and both sides are told', async () => {
    const file = vscode.Uri.file(path.join(root, 'sums.ipynb'));
    fs.writeFileSync(file.fsPath, JSON.stringify({ cells: [{ cell_type: 'code', execution_count: null, metadata: {}, outputs: [], source: ['1 + 1'] }], metadata: {}, nbformat: 4, nbformat_minor: 5 }, null, 1));
    const before = fs.readFileSync(file.fsPath, 'utf8');
    await vscode.window.showNotebookDocument(await vscode.workspace.openNotebookDocument(file));
    const { threadId, ended } = await ask('change the notebook');
    assert.equal((await ended).status, 'completed');
    const { turns } = await bridge.request('thread/read', { threadId });
    const call = turns.at(-1).items.find(({ type }) => type === 'fileChange' || type === 'toolCall');
    assert.match(JSON.stringify(turns.at(-1).items), /open as a notebook/, JSON.stringify(call));
    assert.equal(fs.readFileSync(file.fsPath, 'utf8'), before);
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
  });
  test('reviewed before: nothing is changed until the hunk is accepted, and what would come stands there', async () => {
    await settings().update('review', 'before', vscode.ConfigurationTarget.Global);
    await until('the server has it', async () => bridge.startOptions.review === 'before' && bridge.state === 'running');
    const uri = vscode.Uri.file(path.join(folders[1], 'src/csvline.c'));
    const document = await vscode.workspace.openTextDocument(uri);
    await vscode.window.showTextDocument(document);
    await ask('allow more fields', folders[1]);
    await until('two proposals', () => store.of(uri).length === 2);
    assert.match(document.getText(), /MAX_FIELDS = 4/);
    const [first, second] = store.of(uri);
    assert.equal(first.change.applied, false);
    assert.deepEqual(api.ghosts(first).map(({ text }) => text), ['enum { MAX_FIELDS = 16 };']);
    await vscode.commands.executeCommand('lanebridge.ui.acceptHunk', first);
    await until('it is applied', () => /MAX_FIELDS = 16/.test(document.getText()));
    await vscode.commands.executeCommand('lanebridge.ui.rejectHunk', second);
    await until('none is left', () => store.of(uri).length === 0);
    assert.match(document.getText(), /up to the next comma/);
    await settings().update('review', undefined, vscode.ConfigurationTarget.Global);
    await until('the server has it', async () => bridge.startOptions.review === undefined && bridge.state === 'running');
  });
  test('what is formatted is planned, not done', async () => {
    const document = await vscode.workspace.openTextDocument({ content: 'a\n', language: 'plaintext' });
    const formats = vscode.languages.registerDocumentFormattingEditProvider({ scheme: 'untitled' }, { provideDocumentFormattingEdits: (_, { tabSize }) => [vscode.TextEdit.insert(new vscode.Position(0, 0), ' '.repeat(tabSize))] });
    const { edit } = await served('format', { uri: document.uri.toString() });
    assert.equal(edit.documentChanges[0].edits[0].newText, '    ');
    assert.equal(document.getText(), 'a\n');
    formats.dispose();
  });
  test('the key is given where one is kept, and taken from the environment where it is named', async () => {
    const { setup } = api;
    assert.deepEqual(await served('secret', { name: 'apiKey' }), {});
    const kept = setup.secret;
    setup.secret = () => Promise.resolve('sk-kept');
    assert.deepEqual(await served('secret', { name: 'apiKey' }), { value: 'sk-kept' });
    assert.deepEqual(await setup.environment(), { OPENAI_API_KEY: 'sk-kept' });
    setup.secret = kept;
    setup.endpoint = () => Promise.resolve('wss://api.example.com/v1/responses');
    const before = process.env.OPENAI_API_KEY;
    delete process.env.OPENAI_API_KEY;
    assert.equal(await setup.model(), 'none');
    process.env.OPENAI_API_KEY = before;
    assert.equal(await setup.model(), 'ready');
    delete setup.endpoint;
  });
  test('pieces that come close together go to the page as one, in their order', async () => {
    const sent = [];
    const events = new api.Coalescer((event) => sent.push(event.method === 'item/delta' ? `${event.params.itemId}:${event.params.delta}` : event.method));
    const delta = (itemId, text) => events.push({ method: 'item/delta', params: { threadId: 't', turnId: 'u', itemId, type: 'agentMessage', delta: text } });
    for (const text of 'abcd') delta('one', text);
    delta('two', 'x');
    delta('two', 'y');
    events.push({ method: 'item/completed' });
    assert.equal(sent.join(' ').replaceAll(/ one:/g, ''), 'one:abcd two:xy item/completed');
    assert.equal(sent[0], 'one:a', 'the first goes at once');
    delta('three', 'z');
    await until('what is held goes by itself', () => sent.at(-1) === 'three:z');
  });
};
