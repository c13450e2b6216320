// `npm start`: a whole cluster on loopback from a fresh clone.
import { spawn } from 'node:child_process'
import { bootstrap } from './bootstrap.mjs'
import { findNode, root } from './node.mjs'

bootstrap()
const args = [
  '--disable-warning=ExperimentalWarning',
  `${root}build/bundle/services-mnemo.cjs`,
  'cluster',
  ...process.argv.slice(2),
]
const cluster = spawn(findNode(), args, { stdio: 'inherit' })
// A terminal's Ctrl-C reaches the whole group; a signal to this process alone is handed on.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => cluster.kill(signal))
cluster.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)))
