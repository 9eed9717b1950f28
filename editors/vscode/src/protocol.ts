/** The shapes of docs/schema/v1 that this extension sends or reads. Members it does not know are ignored. */
import type { CodeAction, Diagnostic, Position, Range, SymbolKind, WorkspaceEdit } from 'vscode-languageclient';

export interface Thread {
  id: string;
  title: string;
  folder?: string;
  model?: string;
  effort?: string;
  mode?: Mode;
  archived?: boolean;
  updated?: number;
  leased?: boolean;
  canContinue?: true;
}
export type Mode = 'plan' | 'ask' | 'auto';
export interface Usage {
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  reasoningTokens: number;
}
/** Open list: what it does not know, the view shows by title or text. */
export type ItemType =
  | 'userMessage'
  | 'agentMessage'
  | 'reasoning'
  | 'plan'
  | 'toolCall'
  | 'commandExecution'
  | 'fileChange'
  | 'subagent'
  | 'compaction'
  | 'error';
export interface Item {
  id: string;
  type: ItemType;
  text?: string;
  /** It is asked for again: what was shown of it counts no more. */
  void?: boolean;
  tool?: string;
  title?: string;
  ok?: boolean;
  output?: string;
  ranMs?: number;
  waitedMs?: number;
  exitCode?: number;
  diff?: string;
}
export type TurnStatus = 'queued' | 'running' | 'completed' | 'interrupted' | 'failed';
export interface Turn {
  id: string;
  status: TurnStatus;
  usage?: Usage;
  error?: string;
  items: Item[];
}
export type Input =
  | { type: 'text'; text: string }
  | { type: 'file'; uri: string; range?: Range }
  | { type: 'folder'; uri: string }
  | { type: 'selection'; uri: string; range: Range; text?: string }
  | { type: 'symbol'; name: string; uri?: string; range?: Range }
  | { type: 'diff'; text: string; uri?: string }
  | { type: 'diagnostics'; uri: string; range?: Range }
  | { type: 'image'; uri: string };

export interface ThreadResult {
  thread: Thread;
}
export interface ThreadsResult {
  threads: Thread[];
  nextCursor?: string;
}
export interface ReadResult {
  thread: Thread;
  turns: Turn[];
  nextCursor?: string;
}
export interface StartResult {
  turn?: { id: string };
  threadId?: string;
  queued?: true;
  pending?: 'trust';
}
export interface ResumeResult {
  thread: Thread;
  turn?: { id: string };
}
export interface UndoResult {
  files: { path: string; outcome: 'done' | 'conflict' | 'notUndoable' | 'keptUserChanges'; text?: string }[];
}

/* Notifications of the server. */
export interface OfTurn {
  threadId: string;
  turnId: string;
}
export interface TurnStarted extends OfTurn {
  text: string;
}
export interface TurnCompleted extends OfTurn {
  status: 'completed' | 'interrupted' | 'failed';
  usage: Usage;
  timing: { totalMs: number; steps: number; calls: number; [name: string]: number };
  error?: string;
  /** Something the person can do about it: choose another way to a model. */
  code?: 'no-key' | 'key-refused';
}
export interface TurnNotice extends OfTurn {
  text: string;
}
export interface ItemEvent extends OfTurn {
  item: Item;
}
export interface ItemDelta extends OfTurn {
  itemId: string;
  type: ItemType;
  delta: string;
}
export interface Waiting {
  turnId: string;
  text: string;
}
export interface QueueUpdated {
  threadId: string;
  turnId?: string;
  turns?: Waiting[];
}
export type ConnectionState =
  | 'idle'
  | 'connecting'
  | 'ready'
  | 'waiting'
  | 'thinking'
  | 'streaming'
  | 'draining'
  | 'rotating'
  | 'http'
  | 'offline';
export interface Connection {
  state: ConnectionState;
  transport: 'websocket' | 'http';
  sockets: number;
  lanes: number;
  detail: string;
  abandonedTokens: number;
}
export interface Status {
  version: string;
  model: string;
  endpoint: string;
  connection: Connection;
  sandbox: string;
  root: boolean;
  mcp: { name: string; state: string; tools: number; detail: string }[];
  folders: string[];
  notice?: string;
}
export interface ChangesUpdated extends OfTurn {
  pending: number;
}

/* Changes. */
export interface Hunk {
  index: number;
  kind: 'lines' | 'create' | 'delete' | 'move';
  state: 'pending' | 'accepted' | 'rejected';
  oldStart?: number;
  newStart?: number;
  old: string[];
  new: string[];
}
export interface Change extends OfTurn {
  path: string;
  uri: string;
  newUri?: string;
  kind: 'create' | 'update' | 'delete' | 'move';
  applied: boolean;
  hunks: Hunk[];
}
export interface ChangesResult {
  changes: Change[];
}

/* Requests of the server. */
export type ApprovalKind = 'command' | 'edit' | 'read' | 'network' | 'tool' | 'protected' | 'trust';
export interface Rule {
  id: string;
  scope: 'once' | 'turn' | 'session' | 'workspace';
  text: string;
}
export interface ApprovalParams extends OfTurn {
  itemId: string;
  kind: ApprovalKind;
  title: string;
  show: string;
  reason: string;
  rules: Rule[];
}
export interface ApprovalResult {
  decision: 'accept' | 'decline' | 'cancel';
  ruleId?: string;
  note?: string;
}
export interface Question {
  id: string;
  text: string;
  options: { label: string; description?: string }[];
  free?: boolean;
}
export interface QuestionParams extends OfTurn {
  itemId: string;
  questions: Question[];
}
export interface QuestionResult {
  answers: { id: string; text: string }[];
}
export interface DiagnosticsResult {
  files: { uri: string; version?: number; diagnostics: Diagnostic[] }[];
}
export interface SymbolsResult {
  symbols: { name: string; kind: SymbolKind; container?: string; uri: string; range: Range }[];
}
export interface LocationsResult {
  locations: { uri: string; range: Range; text?: string }[];
}
export interface EditResult {
  edit?: WorkspaceEdit;
  titles?: string[];
}
export interface PlaceParams {
  uri: string;
  position: Position;
}
export interface CodeActionParams {
  uri: string;
  range: Range;
  kinds?: string[];
  title?: string;
}
export interface ContextResult {
  active?: string;
  selection?: Range;
  visible?: { uri: string; ranges: Range[] }[];
  open: string[];
}
export interface PreviewResult {
  tokens: number;
  parts: { label: string; tokens: number; included: boolean; why: string }[];
}
export interface SentResult {
  turnId?: string;
  requests: {
    sent: number;
    kind?: string;
    host?: string;
    inputTokens?: number;
    cachedTokens?: number;
    outputTokens?: number;
    bytes: number;
    continued: boolean;
    parts: { label: string; path?: string; lines?: string; tokens?: number; redactions?: number; bytes: number }[];
  }[];
}
export interface ModelsResult {
  models: { id: string; isDefault?: boolean; efforts?: string[] }[];
}
export interface RulesResult {
  rules: { id: string; scope: string; text: string; folder?: string }[];
}
export type { CodeAction, Diagnostic, Position, Range, WorkspaceEdit };
