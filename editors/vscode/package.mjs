// Makes lanebridge-VERSION.vsix (for linux-x64 with the portable tree in server/, else for every machine) and says how
// large it is. usage: node package.mjs
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const isBundled = existsSync('server/bin/lanebridge');
const name = `lanebridge-${version}${isBundled ? '-linux-x64' : ''}.vsix`;
for (const old of readdirSync('.').filter((file) => file.endsWith('.vsix'))) rmSync(old);
const args = ['package', '--no-dependencies', '--allow-missing-repository', '--out', name, ...(isBundled ? ['--target', 'linux-x64'] : [])];
const { stdout, stderr, status } = spawnSync('node_modules/.bin/vsce', args, { encoding: 'utf8', env: { ...process.env, CI: '1' } });
const said = stdout + stderr;
if (status !== 0) {
  console.log(said);
  process.exit(1);
}
if (/warn/i.test(said)) {
  console.log(said);
  process.exit(1);
}
console.log(`${name}: ${Math.ceil(statSync(name).size / 1024)} KB`);
