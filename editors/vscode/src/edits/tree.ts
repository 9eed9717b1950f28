/** The Changes view: files with hunks that wait, and the hunks. */
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { Change } from '../protocol';
import { linesOf, uriOf, type ChangeStore, type Place } from './store';

/** A file (of one turn) or a hunk of it. */
export type Node = { change: Change; hunk?: undefined } | Place;

const KINDS = { create: 'new', delete: 'deleted', move: 'moved', update: '' } as const;

export class ChangesTree implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  private readonly view: vscode.TreeView<Node>;
  private readonly listener: vscode.Disposable;

  constructor(private readonly store: ChangeStore) {
    this.view = vscode.window.createTreeView('lanebridge.changes', { treeDataProvider: this, showCollapseAll: true });
    this.listener = store.onChange(() => this.update());
  }

  private update(): void {
    const count = this.store.count;
    this.view.badge = count > 0 ? { value: count, tooltip: `${count} changes wait for review` } : undefined;
    this.changed.fire(undefined);
  }

  getChildren(node?: Node): Node[] {
    if (!node) return this.store.all().map((change) => ({ change }));
    return node.hunk ? [] : node.change.hunks.map((hunk) => ({ change: node.change, hunk }));
  }

  getTreeItem(node: Node): vscode.TreeItem {
    return node.hunk ? hunkItem(node) : fileItem(node.change);
  }

  dispose(): void {
    this.view.dispose();
    this.listener.dispose();
    this.changed.dispose();
  }
}

function fileItem(change: Change): vscode.TreeItem {
  const uri = uriOf(change);
  const item = new vscode.TreeItem(uri, vscode.TreeItemCollapsibleState.Expanded);
  const parts = [KINDS[change.kind], change.applied ? '' : 'proposed', path.dirname(change.path) === '.' ? '' : path.dirname(change.path)];
  item.description = parts.filter((part) => part !== '').join(' · ');
  item.contextValue = 'file';
  item.id = `${change.turnId}:${change.path}`;
  item.accessibilityInformation = { label: `${change.path}, ${change.hunks.length} changes wait` };
  item.command = { title: 'Compare', command: 'lanebridge.ui.diff', arguments: [{ change }] };
  return item;
}

function hunkItem(place: Place): vscode.TreeItem {
  const { change, hunk } = place;
  const { first } = linesOf(place);
  const text = (hunk.new.find((line) => line.trim() !== '') ?? hunk.old.find((line) => line.trim() !== '') ?? '').trim();
  const item = new vscode.TreeItem(hunk.kind === 'lines' ? text || '(blank lines)' : `${KINDS[hunk.kind]} file`);
  item.description = hunk.kind === 'lines' ? `line ${first + 1}  +${hunk.new.length} −${hunk.old.length}` : '';
  item.contextValue = 'hunk';
  item.id = `${change.turnId}:${change.path}:${hunk.index}`;
  item.tooltip = new vscode.MarkdownString().appendCodeblock([...hunk.old.map((one) => `-${one}`), ...hunk.new.map((one) => `+${one}`)].join('\n'), 'diff');
  item.command = { title: 'Show', command: 'lanebridge.ui.openFile', arguments: [place] };
  return item;
}
