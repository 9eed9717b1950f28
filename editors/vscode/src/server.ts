/** Where the server program is. */
import { access, constants, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import * as path from 'node:path';

export interface Found {
  path: string;
  from: 'setting' | 'extension' | 'PATH';
}

async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

/** The setting decides; else the program that came with the extension; else PATH. An Error says what to do. */
export async function findServer(setting: string, extensionFolder: string, env: NodeJS.ProcessEnv): Promise<Found> {
  if (setting !== '') {
    const file = setting.startsWith('~/') ? path.join(homedir(), setting.slice(2)) : setting;
    if (await isProgram(file)) return { path: file, from: 'setting' };
    throw new Error(`The setting lanebridge.path names "${setting}", which is no program that can be run.`);
  }
  const bundled = path.join(extensionFolder, 'server', 'bin', 'lanebridge');
  if (process.arch === 'x64' && (await isProgram(bundled))) return { path: bundled, from: 'extension' };
  for (const folder of (env['PATH'] ?? '').split(path.delimiter)) {
    const file = path.join(folder, 'lanebridge');
    if (folder !== '' && (await isProgram(file))) return { path: file, from: 'PATH' };
  }
  throw new Error('The server program "lanebridge" is neither in this extension nor in PATH. Install it, or name it in the setting lanebridge.path.');
}

/** Why Lanebridge cannot work on this machine, or undefined. */
export function unsupported(platform: NodeJS.Platform): string | undefined {
  if (platform === 'linux') return undefined;
  return 'Lanebridge runs on Linux. Open this folder in WSL, by Remote-SSH or in a container, and it works there.';
}
