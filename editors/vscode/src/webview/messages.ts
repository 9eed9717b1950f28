/** What the chat view (a browser page without network) and the extension say to each other, and nothing else.
 *
 *  The view holds no truth: what it shows it was told, by `thread` as a whole or by `event` bit by bit, and after a reload
 *  it says `ready` and is told again. What it keeps by itself (vscode.setState) is a draft, what is folded, where it is
 *  scrolled to. Neither side trusts the other's shapes further than these types: ids go back as they came. */
import type {
  ApprovalParams,
  ApprovalResult,
  Change,
  Connection,
  Input,
  ItemDelta,
  ItemEvent,
  Mode,
  PreviewResult,
  QuestionParams,
  QuestionResult,
  QueueUpdated,
  SentResult,
  Thread,
  Turn,
  TurnCompleted,
  TurnNotice,
  TurnStarted,
  UndoResult,
  Waiting,
} from '../protocol';

/** Something that goes along with a prompt, as a chip below the input. */
export interface Attachment {
  /** The same thing twice has the same id. */
  id: string;
  /** `csvline.c:10-20` */
  label: string;
  /** Whole path, for the tooltip. */
  detail: string;
  input: Input;
}
/** A line of the list that `@` or `/` opens. */
export interface Completion {
  label: string;
  detail: string;
  /** `@`: becomes a chip. `/`: `insert` replaces the word. */
  attachment?: Attachment;
  insert?: string;
  icon: 'file' | 'folder' | 'symbol' | 'problems' | 'selection' | 'diff' | 'prompt';
}
/** The thread that is shown. Items of the running turn have their text so far. */
export interface ThreadView {
  /** Absent: a thread that does not exist before its first prompt. */
  thread?: Thread;
  turns: Turn[];
  /** There are turns before these: `older` asks for them. */
  hasOlder: boolean;
  /** The turn that runs now. */
  running?: string;
  queue: Waiting[];
  /** Turns with hunks that wait for review, and how many. */
  pending: Record<string, number>;
}
/** A question that waits for the person, of any thread. */
export type Ask =
  | { id: number; kind: 'approval'; params: ApprovalParams; threadTitle: string }
  | { id: number; kind: 'question'; params: QuestionParams; threadTitle: string };

/** What there is to know before anything can be asked. */
export interface Setup {
  server: 'stopped' | 'starting' | 'running' | 'failed';
  /** Why it failed, and what to do. */
  trouble: string;
  /** Workspace Trust. */
  trusted: boolean;
  /** `none`: no key is known and the endpoint wants one. `replay`: a recording answers, no model. */
  model: 'ready' | 'none' | 'replay';
  modelName: string;
  mode: Mode;
  /** No folder is open: only open documents can be read and edited. */
  folders: string[];
  notice: string;
}

export type Event =
  | { method: 'turn/started'; params: TurnStarted }
  | { method: 'turn/completed'; params: TurnCompleted }
  | { method: 'turn/notice'; params: TurnNotice }
  | { method: 'item/started'; params: ItemEvent }
  | { method: 'item/delta'; params: ItemDelta }
  | { method: 'item/completed'; params: ItemEvent }
  | { method: 'queue/updated'; params: QueueUpdated };

export type ToView =
  | { type: 'setup'; setup: Setup }
  /** Replaces whatever was shown. */
  | { type: 'thread'; view: ThreadView }
  /** Older turns, to be put above. */
  | { type: 'older'; turns: Turn[]; hasOlder: boolean }
  /** Of the shown thread alone; in the order of the server. */
  | { type: 'event'; event: Event }
  | { type: 'thread/title'; title: string }
  /** All that wait, oldest first; those of other threads too. */
  | { type: 'asks'; asks: Ask[] }
  | { type: 'connection'; connection: Connection }
  | { type: 'pending'; turnId: string; pending: number; changes: Change[] }
  | { type: 'completions'; seq: number; items: Completion[] }
  | { type: 'preview'; seq: number; preview: PreviewResult | undefined; why: string }
  | { type: 'sent'; turnId: string; sent: SentResult }
  | { type: 'undone'; turnId: string; files: UndoResult['files'] }
  | { type: 'attach'; attachments: Attachment[] }
  /** Put into the input (a prompt that was given back, that of a command). */
  | { type: 'draft'; text: string; attachments: Attachment[]; append: boolean }
  /** Somebody pressed the key for it. */
  | { type: 'focus'; what: 'input' | 'ask' }
  /** A request of the view failed: a sentence for the person. */
  | { type: 'problem'; text: string };

export type FromView =
  | { type: 'ready' }
  /** `steer`: into the turn that runs; `queue`: behind it. With no turn running both are `turn`. */
  | { type: 'send'; text: string; attachments: Attachment[]; how: 'turn' | 'steer' | 'queue' }
  | { type: 'stop' }
  | { type: 'older' }
  | { type: 'thread/new' }
  | { type: 'thread/open'; threadId: string }
  | { type: 'thread/rename'; threadId: string; title: string }
  | { type: 'thread/archive' | 'thread/delete' | 'thread/export' | 'thread/takeOver' | 'thread/compact' | 'thread/continue'; threadId: string }
  | { type: 'thread/fork'; threadId: string; turnId?: string }
  | { type: 'turn/retry' | 'turn/undo' | 'turn/redo' | 'turn/sent' | 'turn/diff' | 'turn/accept' | 'turn/reject'; turnId: string }
  /** `steps`: those that were left ticked; absent: the plan is a list in the answer. */
  | { type: 'turn/acceptPlan'; turnId: string; steps?: string[]; mode: 'ask' | 'auto' }
  | { type: 'unqueue'; turnId: string }
  | { type: 'approve'; id: number; result: ApprovalResult }
  | { type: 'answer'; id: number; result: QuestionResult }
  /** `trigger` and what was typed behind it. */
  | { type: 'complete'; seq: number; trigger: '@' | '/'; query: string }
  /** URIs that were dropped, or an image that was pasted or dropped as data: */
  | { type: 'drop'; uris: string[] }
  | { type: 'image'; name: string; uri: string }
  | { type: 'preview'; seq: number; text: string; attachments: Attachment[] }
  | { type: 'copy'; text: string }
  | { type: 'insert'; text: string }
  /** Of a code block: put in the place of the selection, or of the file it names. Reviewed as a diff first. */
  | { type: 'apply'; text: string; language: string; path: string }
  | { type: 'open'; path: string; line?: number }
  | { type: 'link'; href: string }
  | { type: 'mode'; mode: Mode }
  | { type: 'command'; command: 'setKey' | 'chooseModel' | 'replayDemo' | 'doctor' | 'restart' | 'showLog' | 'status' | 'trust' | 'chooseThreadModel' }
  /** Figures for the tests: what the view measured of itself. */
  | { type: 'measured'; name: string; ms: number };
