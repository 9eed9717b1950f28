/** All threads of the folder, to be searched, opened, and put away, as VS Code's own list. */
import * as vscode from 'vscode';
import type { Bridge } from '../bridge';
import type { Thread, ThreadsResult } from '../protocol';
import type { Session } from './session';
import type { ThreadActions } from './threads';

interface Row extends vscode.QuickPickItem {
  thread?: Thread;
}
type Verb = 'thread/rename' | 'thread/export' | 'thread/archive' | 'thread/delete';
const SEARCH_PAUSE_MS = 150;
const BUTTONS: { verb: Verb; button: vscode.QuickInputButton }[] = [
  { verb: 'thread/rename', button: { iconPath: new vscode.ThemeIcon('edit'), tooltip: 'Rename' } },
  { verb: 'thread/export', button: { iconPath: new vscode.ThemeIcon('export'), tooltip: 'Export as Markdown' } },
  { verb: 'thread/archive', button: { iconPath: new vscode.ThemeIcon('archive'), tooltip: 'Archive' } },
  { verb: 'thread/delete', button: { iconPath: new vscode.ThemeIcon('trash'), tooltip: 'Delete' } },
];

export class ThreadList {
  constructor(
    private readonly bridge: Bridge,
    private readonly session: Session,
    private readonly actions: ThreadActions,
  ) {}

  /** False: nothing was chosen; else the chosen one is shown. */
  async pick(): Promise<boolean> {
    const pick = vscode.window.createQuickPick<Row>();
    pick.title = 'Threads';
    pick.placeholder = 'Search in titles and texts';
    let timer: NodeJS.Timeout | undefined;
    const fill = async (): Promise<void> => {
      const query = pick.value;
      const rows = await this.rows(query);
      if (query === pick.value) pick.items = rows;
    };
    pick.onDidChangeValue(() => {
      clearTimeout(timer);
      timer = setTimeout(() => void fill(), SEARCH_PAUSE_MS);
    });
    pick.onDidTriggerItemButton(({ item, button }) => {
      const verb = BUTTONS.find((one) => one.button === button)?.verb;
      if (verb && item.thread) void this.act(verb, item.thread).then(fill, (error: unknown) => void vscode.window.showErrorMessage(`Lanebridge: ${String(error)}`));
    });
    pick.show();
    await fill();
    const chosen = await new Promise<Row | undefined>((resolve) => {
      pick.onDidAccept(() => resolve(pick.selectedItems[0]));
      pick.onDidHide(() => resolve(undefined));
    });
    clearTimeout(timer);
    pick.dispose();
    if (chosen) await this.session.open(chosen.thread?.id);
    return chosen !== undefined;
  }

  private async rows(query: string): Promise<Row[]> {
    const { threads } = await this.bridge.request<ThreadsResult>('thread/list', query === '' ? {} : { query });
    const rows = threads.map((thread): Row => {
      const facts = [thread.updated === undefined ? '' : new Date(thread.updated).toLocaleString(), thread.leased ? 'open in another window' : '', thread.canContinue ? 'was cut off' : ''];
      return {
        label: `${thread.id === this.session.threadId ? '$(check) ' : ''}${thread.title || 'Untitled'}`,
        description: facts.filter(Boolean).join(' · '),
        alwaysShow: true, // the server has searched
        buttons: BUTTONS.map(({ button }) => button),
        thread,
      };
    });
    return query === '' ? [{ label: '$(add) New thread' }, ...rows] : rows;
  }

  private async act(verb: Verb, { id, title }: Thread): Promise<void> {
    const name = verb === 'thread/rename' ? await vscode.window.showInputBox({ title: 'Rename the thread', value: title }) : undefined;
    if (verb !== 'thread/rename') await this.actions.handle({ type: verb, threadId: id });
    else if (name) await this.actions.handle({ type: verb, threadId: id, title: name });
  }
}
