// `npm run bench [-- NAME… --FLAG…]`: runs the benchmarks of bench/, one process each, so that none warms or fills another's heap.
// Flags go to each of them: --quick for a run of about a minute.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { bootstrap } from './bootstrap.mjs'
import { fail, findNode, root } from './node.mjs'

bootstrap()
const all = readdirSync(`${root}bench`).filter((name) => name.endsWith('.ts'))
const flags = process.argv.slice(2).filter((arg) => arg.startsWith('--'))
const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('--'))
const names = wanted.length > 0 ? wanted.map((name) => `${name.replace(/\.ts$/, '')}.ts`) : all
for (const name of names) if (!all.includes(name)) fail(`no benchmark ${name}: there are ${all.join(', ')}`)
let failed = false
for (const name of names) {
  console.log(`\n${name}`)
  const args = ['--disable-warning=ExperimentalWarning', '--expose-gc', `bench/${name}`, ...flags]
  const { status } = spawnSync(findNode(), args, { cwd: root, stdio: 'inherit' })
  failed ||= status !== 0
}
process.exit(failed ? 1 : 0)
