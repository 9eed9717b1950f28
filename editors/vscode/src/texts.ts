/** Reports in a read-only document: what the doctor found, what was sent. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { SentResult } from './protocol';

const SCHEME = 'lanebridge-report';
const DOCTOR_MS = 120_000;

export class Reports implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly texts = new Map<string, string>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;
  private readonly registered = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.path) ?? '';
  }

  async show(name: string, text: string): Promise<void> {
    const uri = vscode.Uri.from({ scheme: SCHEME, path: name });
    this.texts.set(name, text);
    this.changed.fire(uri);
    await vscode.window.showTextDocument(uri, { preview: true });
  }

  dispose(): void {
    this.registered.dispose();
    this.changed.dispose();
  }
}

/** The person's own file, with the settings of VS Code over it: what the server of this window has. */
async function settingsFile(folder: string, settings: Record<string, unknown>): Promise<string> {
  const env = process.env;
  const own = env['LANEBRIDGE_CONFIG'] ?? path.join(env['XDG_CONFIG_HOME'] ?? path.join(homedir(), '.config'), 'lanebridge', 'config.json');
  const text = await readFile(own, 'utf8').catch(() => '{}');
  const file = path.join(folder, 'config.json');
  const { trusted: _, ...known } = settings;
  await writeFile(file, JSON.stringify({ ...(JSON.parse(text) as object), ...known }), { mode: 0o600 });
  return file;
}

/** What `lanebridge doctor` says with the settings and the key of this window. */
export async function doctor(program: string, settings: Record<string, unknown>, secrets: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lanebridge-doctor-'));
  try {
    const config = await settingsFile(folder, settings);
    return await new Promise<string>((resolve, reject) => {
      execFile(program, ['doctor'], { env: { ...process.env, ...secrets, LANEBRIDGE_CONFIG: config, NO_COLOR: '1' }, timeout: DOCTOR_MS }, (error, stdout, stderr) => {
        if (stdout !== '') resolve(stdout);
        else reject(new Error(stderr.trim() || error?.message || 'The doctor says nothing.'));
      });
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What went out for a turn, part by part. */
export function sentText({ requests }: SentResult): string {
  if (requests.length === 0) return 'Nothing has been sent.\n';
  return requests
    .map((request, index) => {
      const parts = request.parts.map((part) => {
        const where = [part.path, part.lines].filter((one) => one !== undefined).join(':');
        const tokens = part.tokens === undefined ? '' : `, about ${part.tokens} tokens`;
        const redactions = part.redactions ? `, ${part.redactions} secrets taken out` : '';
        return `  ${part.label}${where === '' ? '' : ` ${where}`}: ${part.bytes} bytes${tokens}${redactions}`;
      });
      const counted = request.inputTokens === undefined ? '' : `; ${request.inputTokens} tokens in (${request.cachedTokens ?? 0} cached), ${request.outputTokens ?? 0} out`;
      return [`${index + 1}. ${new Date(request.sent).toISOString()} to ${request.host || 'the endpoint'}: ${request.bytes} bytes${request.continued ? ', only what was new' : ', the whole conversation'}${counted}`, ...parts].join('\n');
    })
    .join('\n\n')
    .concat('\n');
}
