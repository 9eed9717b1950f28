/** What waits for the person: approvals and questions of the server. They are shown in the chat where that is visible,
 *  else by a notification; nothing takes the focus, nothing times out, and what is answered sooner than it can have been
 *  read is asked again. */
import * as vscode from 'vscode';
import type { Bridge } from './bridge';
import type { ApprovalParams, ApprovalResult, QuestionParams, QuestionResult } from './protocol';
import type { Ask } from './webview/messages';

/** An answer that comes sooner was meant for something else. */
export const DEAD_MS = 500;
const SHOWN_CHARACTERS = 300;

interface Pending {
  ask: Ask;
  resolve: (result: ApprovalResult | QuestionResult) => void;
  /** When it was first to be seen. */
  shown: number;
  isNotified: boolean;
}

const SCOPES = { once: 'once', turn: 'for this turn', session: 'for this session', workspace: 'always in this folder' } as const;

export class Asks implements vscode.Disposable {
  private readonly pending = new Map<number, Pending>();
  private readonly changed = new vscode.EventEmitter<void>();
  private next = 1;
  readonly onChange = this.changed.event;
  /** Whether the chat shows them. */
  isShown = (): boolean => false;
  titleOf = (_threadId: string): string => '';
  /** Opens the chat at the first that waits. */
  reveal = (): void => undefined;

  constructor(bridge: Bridge) {
    bridge.serve('approval/request', (params: ApprovalParams, token: vscode.CancellationToken) => this.approval(params, token));
    bridge.serve('question/request', (params: QuestionParams, token: vscode.CancellationToken) =>
      this.add<QuestionResult>({ id: this.next++, kind: 'question', params, threadTitle: this.titleOf(params.threadId) }, token, { answers: [] }),
    );
    bridge.onState((state) => {
      if (state !== 'running') this.clear();
    });
  }

  list(): Ask[] {
    return [...this.pending.values()].map(({ ask }) => ask);
  }

  get(id: number): Ask | undefined {
    return this.pending.get(id)?.ask;
  }

  private approval(params: ApprovalParams, token: vscode.CancellationToken): Promise<ApprovalResult> {
    if (params.kind === 'trust' && !vscode.workspace.isTrusted) return this.trust(token);
    return this.add({ id: this.next++, kind: 'approval', params, threadTitle: this.titleOf(params.threadId) }, token, { decision: 'cancel' });
  }

  /** VS Code itself knows whether the workspace is trusted: its answer is the answer. */
  private trust(token: vscode.CancellationToken): Promise<ApprovalResult> {
    return new Promise((resolve) => {
      const granted = vscode.workspace.onDidGrantWorkspaceTrust(() => done('accept'));
      const cancelled = token.onCancellationRequested(() => done('cancel'));
      const done = (decision: ApprovalResult['decision']): void => {
        granted.dispose();
        cancelled.dispose();
        resolve({ decision });
      };
      const manage = 'Manage Workspace Trust';
      const message = 'Lanebridge works in trusted workspaces. This one is not trusted yet: your prompt waits until it is.';
      void vscode.window.showInformationMessage(message, 'Drop the Prompt', manage).then((chosen) => {
        if (chosen === manage) void vscode.commands.executeCommand('workbench.trust.manage');
        else if (chosen !== undefined) done('decline');
      });
    });
  }

  private add<R extends ApprovalResult | QuestionResult>(ask: Ask, token: vscode.CancellationToken, cancelled: R): Promise<R> {
    return new Promise<R>((resolve) => {
      const remove = token.onCancellationRequested(() => this.settle(ask.id, cancelled));
      const pending: Pending = {
        ask,
        shown: Date.now(),
        isNotified: false,
        resolve: (result) => {
          remove.dispose();
          resolve(result as R);
        },
      };
      this.pending.set(ask.id, pending);
      this.tell();
      this.notifyHidden();
    });
  }

  private tell(): void {
    void vscode.commands.executeCommand('setContext', 'lanebridge.waiting', this.pending.size > 0);
    this.changed.fire();
  }

  private settle(id: number, result: ApprovalResult | QuestionResult): void {
    const pending = this.pending.get(id);
    if (!pending) return;
    this.pending.delete(id);
    pending.resolve(result);
    this.tell();
  }

  private clear(): void {
    for (const { ask } of [...this.pending.values()]) this.settle(ask.id, ask.kind === 'approval' ? { decision: 'cancel' } : { answers: [] });
  }

  /** False: too soon after it was shown, and nothing happens. */
  answer(id: number, result: ApprovalResult | QuestionResult): boolean {
    const pending = this.pending.get(id);
    if (!pending) return true;
    if (Date.now() - pending.shown < DEAD_MS) return false;
    this.settle(id, result);
    return true;
  }

  /** Of each once, when the chat does not show it, or no longer does. */
  notifyHidden(): void {
    if (this.isShown()) return;
    for (const pending of this.pending.values()) {
      if (pending.isNotified) continue;
      pending.isNotified = true;
      void this.notify(pending.ask);
    }
  }

  private async notify(ask: Ask): Promise<void> {
    const text = ask.kind === 'approval' ? approvalText(ask.params) : (ask.params.questions[0]?.text ?? 'The agent asks something.');
    const buttons = ask.kind === 'approval' ? ['Decline', 'Allow Once', 'More…'] : ['Answer…'];
    const shown = Date.now();
    const chosen = await vscode.window.showWarningMessage(`Lanebridge: ${text}`, ...buttons);
    if (chosen === undefined) return; // the badge stays
    if (!this.pending.has(ask.id)) return void vscode.window.setStatusBarMessage('Lanebridge: that has been answered already', 4000);
    if (Date.now() - shown < DEAD_MS) return this.notify(ask);
    if (chosen === 'Decline') this.answer(ask.id, { decision: 'decline' });
    else if (chosen === 'Allow Once') this.answer(ask.id, { decision: 'accept' });
    else await this.open(ask);
  }

  /** One key opens what waits: in the chat if it is visible, else in a list. */
  async openFirst(): Promise<void> {
    const ask = this.list()[0];
    if (!ask) void vscode.window.setStatusBarMessage('Lanebridge: nothing waits', 3000);
    else if (this.isShown()) this.reveal();
    else await this.open(ask);
  }

  private async open(ask: Ask): Promise<void> {
    if (ask.kind === 'question') this.answer(ask.id, await pickAnswers(ask.params));
    else {
      const result = await pickDecision(ask.params);
      if (result) this.answer(ask.id, result);
    }
  }

  dispose(): void {
    this.clear();
    this.changed.dispose();
  }
}

function approvalText({ title, show, reason }: ApprovalParams): string {
  const short = show.length > SHOWN_CHARACTERS ? `${show.slice(0, SHOWN_CHARACTERS)}…` : show;
  return [title, short, reason].filter((part) => part !== '').join(' — ');
}

interface Choice extends vscode.QuickPickItem {
  result?: ApprovalResult;
  note?: true;
}

/** Decline stands first and is what Enter does; what a rule will allow is there word by word. */
async function pickDecision({ title, show, rules }: ApprovalParams): Promise<ApprovalResult | undefined> {
  const choices: Choice[] = [
    { label: '$(circle-slash) Decline', result: { decision: 'decline' } },
    { label: '$(comment) Decline with a note…', detail: 'The agent reads it as the answer of its call.', note: true },
    { label: '$(check) Allow once', detail: show.split('\n').slice(0, 3).join('  ⏎  '), result: { decision: 'accept' } },
    ...rules.map((rule): Choice => ({ label: `$(check-all) Allow ${SCOPES[rule.scope]}`, detail: rule.text, result: { decision: 'accept', ruleId: rule.id } })),
  ];
  const chosen = await vscode.window.showQuickPick(choices, { title, placeHolder: show.split('\n')[0] ?? '', ignoreFocusOut: true });
  if (!chosen?.note) return chosen?.result;
  const note = await vscode.window.showInputBox({ title: 'Decline', prompt: 'What to do instead', placeHolder: 'No, use …', ignoreFocusOut: true });
  return note === undefined ? undefined : { decision: 'decline', ...(note === '' ? {} : { note }) };
}

async function pickAnswers({ questions }: QuestionParams): Promise<QuestionResult> {
  const answers: QuestionResult['answers'] = [];
  for (const { id, text, options, free } of questions) {
    const other = 'Something else…';
    const labels = options.map(({ label, description }) => ({ label, ...(description === undefined ? {} : { detail: description }) }));
    let answer: string | undefined;
    if (labels.length > 0) {
      answer = (await vscode.window.showQuickPick(free ? [...labels, { label: other }] : labels, { title: text, ignoreFocusOut: true }))?.label;
    }
    if (labels.length === 0 || answer === other) answer = await vscode.window.showInputBox({ title: text, ignoreFocusOut: true });
    if (answer !== undefined && answer !== '') answers.push({ id, text: answer });
  }
  return { answers };
}
