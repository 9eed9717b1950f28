// What the server asks of the editor, answered by VS Code's own providers.
'use strict';
module.exports = (test, { api, root, assert, until, vscode, fs, path }) => {
  const served = (method, params) => api.bridge.servers.get(`editor/${method}`)(params, new vscode.CancellationTokenSource().token);
  const uri = (name) => vscode.Uri.file(path.join(root, name));
  const here = (document, word) => {
    const at = document.positionAt(document.getText().indexOf(word));
    return { line: at.line, character: at.character };
  };
  const registered = [];
  const language = { language: 'c' };

  test('problems are told of files that are checked, and of those alone', async () => {
    const checker = vscode.languages.createDiagnosticCollection('test');
    checker.set(uri('src/csvline.c'), [new vscode.Diagnostic(new vscode.Range(4, 0, 4, 4), 'no such type', vscode.DiagnosticSeverity.Error)]);
    await until('it is known', () => vscode.languages.getDiagnostics(uri('src/csvline.c')).length > 0);
    const { files } = await served('diagnostics', { uris: [uri('src/csvline.c').toString(), uri('src/nothing.c').toString()] });
    assert.ok(!files.some((file) => file.uri === uri('src/nothing.c').toString()));
    assert.deepEqual(files.filter((file) => file.uri.endsWith('csvline.c')).map((file) => [file.uri, file.diagnostics[0].message, file.diagnostics[0].severity]), [[uri('src/csvline.c').toString(), 'no such type', 1]]);
    checker.clear();
    await until('it is gone', () => vscode.languages.getDiagnostics(uri('src/csvline.c')).length === 0);
    const after = await served('diagnostics', { uris: [uri('src/csvline.c').toString()] });
    assert.deepEqual(after.files.map(({ diagnostics }) => diagnostics), [[]]);
    checker.dispose();
  });
  test('definitions and references come with their lines', async () => {
    const document = await vscode.workspace.openTextDocument(uri('src/csvline.c'));
    const place = new vscode.Location(uri('include/csvline.h'), new vscode.Range(0, 0, 0, 3));
    registered.push(vscode.languages.registerDefinitionProvider(language, { provideDefinition: () => place }));
    registered.push(vscode.languages.registerReferenceProvider(language, { provideReferences: () => [place] }));
    const [line] = fs.readFileSync(path.join(root, 'include/csvline.h'), 'utf8').split('\n');
    for (const method of ['definition', 'references']) {
      const { locations } = await served(method, { uri: document.uri.toString(), position: here(document, 'csvline_split') });
      assert.deepEqual(locations[0], { uri: place.uri.toString(), range: { start: { line: 0, character: 0 }, end: { line: 0, character: 3 } }, text: line });
    }
  });
  test('symbols of a file are found by a part of their names', async () => {
    const range = new vscode.Range(0, 0, 1, 0);
    const outer = new vscode.DocumentSymbol('Parser', '', vscode.SymbolKind.Class, range, range);
    outer.children = [new vscode.DocumentSymbol('split', '', vscode.SymbolKind.Method, range, range)];
    registered.push(vscode.languages.registerDocumentSymbolProvider(language, { provideDocumentSymbols: () => [outer] }));
    const { symbols } = await served('symbols', { uri: uri('src/csvline.c').toString(), query: 'SPL' });
    assert.deepEqual(symbols.map(({ name, kind, container }) => [name, kind, container]), [['split', 6, 'Parser']]);
  });
  test('a rename is planned, not done, for the version that is open', async () => {
    const document = await vscode.workspace.openTextDocument(uri('src/csvline.c'));
    const before = document.getText();
    registered.push(vscode.languages.registerRenameProvider(language, { provideRenameEdits(file, position, newName) {
      const edit = new vscode.WorkspaceEdit();
      edit.replace(file.uri, file.getWordRangeAtPosition(position), newName);
      return edit;
    } }));
    const { edit } = await served('rename', { uri: document.uri.toString(), position: here(document, 'csvline_split'), newName: 'csv_split' });
    assert.equal(edit.documentChanges[0].edits[0].newText, 'csv_split');
    assert.equal(edit.documentChanges[0].textDocument.version, document.version);
    assert.equal(document.getText(), before);
  });
  test('of code actions those are offered that are an edit and nothing else', async () => {
    registered.push(vscode.languages.registerCodeActionsProvider(language, { provideCodeActions(file) {
      const good = new vscode.CodeAction('Make it better', vscode.CodeActionKind.QuickFix);
      good.edit = new vscode.WorkspaceEdit();
      good.edit.insert(file.uri, new vscode.Position(0, 0), '/* better */\n');
      const command = new vscode.CodeAction('Only a command', vscode.CodeActionKind.QuickFix);
      command.command = { title: 'x', command: 'workbench.action.files.newUntitledFile' };
      return [good, command];
    } }));
    const range = { start: { line: 0, character: 0 }, end: { line: 0, character: 1 } };
    const { edit, titles } = await served('codeAction', { uri: uri('src/csvline.c').toString(), range, kinds: ['quickfix'], title: 'Make it better' });
    assert.deepEqual(titles, ['Make it better']);
    assert.equal(edit.documentChanges[0].edits[0].newText, '/* better */\n');
  });
  test('a file is saved as if the person had done it', async () => {
    const document = await vscode.workspace.openTextDocument(uri('Makefile'));
    const edit = new vscode.WorkspaceEdit();
    edit.insert(document.uri, new vscode.Position(0, 0), '# saved\n');
    await vscode.workspace.applyEdit(edit);
    await served('save', { uris: [document.uri.toString()] });
    assert.ok(!document.isDirty);
    assert.match(fs.readFileSync(document.uri.fsPath, 'utf8'), /^# saved/);
  });
  test('what the person looks at is told, and nothing that is no file', async () => {
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content: 'scratch' }), { viewColumn: vscode.ViewColumn.Two });
    const editor = await vscode.window.showTextDocument(uri('README.md'), { viewColumn: vscode.ViewColumn.One });
    editor.selection = new vscode.Selection(0, 0, 0, 3);
    const context = await served('context', {});
    assert.equal(context.active, uri('README.md').toString());
    assert.deepEqual(context.selection, { start: { line: 0, character: 0 }, end: { line: 0, character: 3 } });
    assert.ok(context.open.includes(uri('README.md').toString()) && context.open.every((one) => one.startsWith('file:')));
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
    for (const one of registered) one.dispose();
  });
};
