// Bundles the extension (for VS Code's Node) and the inside of the chat view (for its browser) into dist/, and says how
// large they are. usage: node esbuild.mjs [--watch]
import { build, context } from 'esbuild';
import { copyFileSync, mkdirSync, statSync } from 'node:fs';

const LIMITS = { 'dist/extension.js': 600, 'dist/chat.js': 400 }; // KB
const shared = { bundle: true, minify: true, legalComments: 'none', sourcemap: false, logLevel: 'warning' };
const targets = [
  { ...shared, entryPoints: ['src/extension.ts'], outfile: 'dist/extension.js', platform: 'node', format: 'cjs', target: 'node20', external: ['vscode'], mainFields: ['module', 'main'] },
  { ...shared, entryPoints: ['src/webview/main.ts'], outfile: 'dist/chat.js', platform: 'browser', format: 'iife', target: 'chrome120' },
  { ...shared, entryPoints: ['src/webview/chat.css'], outfile: 'dist/chat.css' },
];
mkdirSync('dist', { recursive: true });
copyFileSync('../../LICENSE', 'LICENSE');
if (process.argv.includes('--watch')) {
  for (const target of targets) await (await context(target)).watch();
} else {
  await Promise.all(targets.map((target) => build(target)));
  for (const [file, limit] of Object.entries(LIMITS)) {
    const size = Math.ceil(statSync(file).size / 1024);
    console.log(`${file}: ${size} KB of ${limit}`);
    if (size > limit) process.exitCode = 1;
  }
}
