// `npm run lint`: format and lint (Biome), then types (tsc). With --write it mends what can be mended.
import { spawnSync } from 'node:child_process'
import { bootstrap } from './bootstrap.mjs'
import { findNode, root } from './node.mjs'

bootstrap()
const write = process.argv.includes('--write') ? ['--write'] : []
const steps = [
  ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', ...write],
  ['node_modules/typescript/bin/tsc', '--noEmit'],
]
for (const args of steps) {
  const { status } = spawnSync(findNode(), args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
