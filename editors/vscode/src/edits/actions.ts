/** What can be done with changes: from the lines above a hunk, the Changes view, the palette and the keys. */
import * as vscode from 'vscode';
import type { OfTurn } from '../protocol';
import type { AmendDocuments, BeforeDocuments } from './documents';
import { linesOf, uriOf, type ChangeStore, type Place } from './store';
import type { Node } from './tree';

export class ChangeActions {
  constructor(
    private readonly store: ChangeStore,
    private readonly before: BeforeDocuments,
    private readonly amended: AmendDocuments,
  ) {}

  /** What was clicked, or the hunk at the cursor, or the first there is. */
  private chosen(node: Node | undefined): Node | undefined {
    if (node?.change) return node;
    const editor = vscode.window.activeTextEditor;
    const here = editor && this.store.at(editor.document.uri, editor.selection.active.line);
    if (here) return here;
    const [change] = this.store.all();
    const [hunk] = change?.hunks ?? [];
    return change && hunk ? { change, hunk } : undefined;
  }

  async decide(verb: 'accept' | 'reject', node?: Node): Promise<void> {
    const chosen = this.chosen(node);
    if (!chosen) return nothing();
    await this.store.decide(verb, chosen.change, chosen.hunk);
  }

  async decideAll(verb: 'accept' | 'reject'): Promise<void> {
    if (this.store.count === 0) return nothing();
    await this.store.decideAll(verb);
  }

  async amend(node?: Node): Promise<void> {
    const chosen = this.chosen(node);
    if (!chosen?.hunk) return nothing();
    await this.amended.open(chosen);
  }

  /** Of a hunk, of a file, of a turn (all its files), or of the file that is open. */
  async diff(node?: Node | OfTurn): Promise<void> {
    if (node && 'turnId' in node) {
      for (const change of this.store.all().filter(({ turnId }) => turnId === node.turnId)) await this.before.compare(uriOf(change));
      return;
    }
    const chosen = this.chosen(node);
    if (!chosen) return nothing();
    await this.before.compare(uriOf(chosen.change));
  }

  /** What was there, where it was. */
  async peek(node?: Node): Promise<void> {
    const chosen = this.chosen(node);
    if (!chosen) return nothing();
    if (chosen.hunk && chosen.hunk.old.length > 0 && chosen.change.applied) await this.before.peek(chosen);
    else await this.before.compare(uriOf(chosen.change));
  }

  async show(node: Node): Promise<void> {
    const place: Place | undefined = node.hunk ? node : node.change.hunks[0] && { change: node.change, hunk: node.change.hunks[0] };
    if (!place || node.change.kind === 'delete') return this.diff(node);
    const { first } = linesOf(place);
    const editor = await vscode.window.showTextDocument(uriOf(node.change), { preview: true });
    reveal(editor, first);
  }

  /** Through this file, then through the others. */
  async move(step: 1 | -1): Promise<void> {
    const places = this.store.all().flatMap((change) => change.hunks.map((hunk) => ({ change, hunk })));
    const editor = vscode.window.activeTextEditor;
    const inFile = editor ? this.store.of(editor.document.uri) : [];
    const line = editor?.selection.active.line ?? -1;
    const next = step > 0 ? inFile.find((place) => linesOf(place).first > line) : inFile.findLast((place) => linesOf(place).first < line);
    if (next && editor) return reveal(editor, linesOf(next).first);
    const files = [...new Set(places.map(({ change }) => uriOf(change).toString()))];
    if (files.length === 0) return nothing();
    const here = editor ? files.indexOf(editor.document.uri.toString()) : -1;
    const file = files[(here + step + files.length) % files.length] ?? files[0];
    const uri = vscode.Uri.parse(file ?? '', true);
    const there = this.store.of(uri);
    const place = step > 0 ? there[0] : there.at(-1);
    if (place) await this.show(place);
  }
}

function reveal(editor: vscode.TextEditor, line: number): void {
  const at = new vscode.Position(Math.min(line, editor.document.lineCount - 1), 0);
  editor.selection = new vscode.Selection(at, at);
  editor.revealRange(new vscode.Range(at, at), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
}

function nothing(): void {
  vscode.window.setStatusBarMessage('Lanebridge: no change waits for review', 3000);
}
