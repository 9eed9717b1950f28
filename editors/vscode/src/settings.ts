/** Settings as the server takes them. What executes or redirects (machine scope here, class U there) goes along at
 *  initialize only; the rest is also asked for by workspace/configuration, where a workspace may only make it tighter. */
import * as vscode from 'vscode';

interface Contributed {
  scope?: string;
}
/** Keys of our own, which the server does not know. */
const OURS = new Set(['path']);

function contributed(extension: vscode.Extension<unknown>): Map<string, Contributed> {
  const { contributes } = extension.packageJSON as { contributes: { configuration: { properties: Record<string, Contributed> } } };
  const keys = new Map<string, Contributed>();
  for (const [name, value] of Object.entries(contributes.configuration.properties)) {
    const key = name.slice('lanebridge.'.length);
    if (!OURS.has(key)) keys.set(key, value);
  }
  return keys;
}

/** What the person set, by its dotted key; defaults are left to the server, which may have a file of its own. */
export function userSettings(extension: vscode.Extension<unknown>): Record<string, unknown> {
  const settings = vscode.workspace.getConfiguration('lanebridge');
  const found: Record<string, unknown> = {};
  for (const key of contributed(extension).keys()) {
    const value = settings.inspect(key)?.globalValue;
    if (value !== undefined) found[key] = value;
  }
  return found;
}

/** What holds here, without what only the person may set. */
export function effectiveSettings(extension: vscode.Extension<unknown>): Record<string, unknown> {
  const settings = vscode.workspace.getConfiguration('lanebridge');
  const found: Record<string, unknown> = {};
  for (const [key, { scope }] of contributed(extension)) {
    if (scope === 'machine') continue;
    const at = settings.inspect(key);
    const value = at?.workspaceFolderValue ?? at?.workspaceValue ?? at?.globalValue;
    if (value !== undefined) found[key] = value;
  }
  return found;
}

/** A pattern of http.noProxy or NO_PROXY: a host, a domain with all below it, or "*". */
export function isWithoutProxy(host: string, patterns: readonly string[]): boolean {
  const name = host.toLowerCase();
  return patterns.some((raw) => {
    const pattern = raw.trim().toLowerCase().replace(/^\*?\./, '').replace(/:\d+$/, '');
    return pattern !== '' && (pattern === '*' || name === pattern || name.endsWith(`.${pattern}`));
  });
}

/** The proxy VS Code is set to, where it is meant for the endpoint. */
export function proxyFor(endpoint: string, http: vscode.WorkspaceConfiguration): string | undefined {
  const proxy = http.get<string>('proxy') ?? '';
  if (proxy === '' || http.get<string>('proxySupport') === 'off' || !URL.canParse(endpoint)) return undefined;
  const host = new URL(endpoint).hostname;
  const local = /^(localhost|127\.|\[::1\])/.test(host);
  return host === '' || local || isWithoutProxy(host, http.get<string[]>('noProxy') ?? []) ? undefined : proxy;
}

const DEFAULT_ENDPOINT = 'wss://api.openai.com/v1/responses';

/** `initializationOptions`. `trusted` is left out where VS Code does not vouch for the folders. */
export function initializationOptions(extension: vscode.Extension<unknown>): Record<string, unknown> {
  const options = userSettings(extension);
  if (options['endpoint.proxy'] === undefined || options['endpoint.proxy'] === '') {
    const url = options['endpoint.url'];
    const proxy = proxyFor(typeof url === 'string' ? url : DEFAULT_ENDPOINT, vscode.workspace.getConfiguration('http'));
    if (proxy !== undefined) options['endpoint.proxy'] = proxy;
  }
  if (vscode.workspace.isTrusted) options['trusted'] = true;
  return options;
}

/** Whether a change needs the server to start anew: it touches what is read at initialize alone. */
export function needsRestart(extension: vscode.Extension<unknown>, before: Record<string, unknown>): boolean {
  const now = initializationOptions(extension);
  const free = new Set<string>(['trusted']);
  for (const [key, { scope }] of contributed(extension)) if (scope !== 'machine' && !TIGHTER.has(key)) free.add(key);
  const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...keys].some((key) => !free.has(key) && JSON.stringify(before[key]) !== JSON.stringify(now[key]));
}

/** Class T of the server: asked for, it only gets tighter, so looser ones need a new start. */
const TIGHTER = new Set(['mode', 'review', 'store', 'sandbox.mode', 'warm', 'tools.webSearch', 'limits.tokensPerTurn', 'limits.tokensPerDay']);
