// `npm run bench [-- NAME…]`: runs the benchmarks of bench/, one process each, so that none warms or fills another's heap.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { bootstrap } from './bootstrap.mjs'
import { fail, findNode, root } from './node.mjs'

bootstrap()
const all = readdirSync(`${root}bench`).filter((name) => name.endsWith('.ts'))
const wanted = process.argv.slice(2)
const names = wanted.length > 0 ? wanted.map((name) => `${name.replace(/\.ts$/, '')}.ts`) : all
for (const name of names) if (!all.includes(name)) fail(`no benchmark ${name}: there are ${all.join(', ')}`)
let failed = false
for (const name of names) {
  console.log(`\n${name}`)
  const args = ['--disable-warning=ExperimentalWarning', '--expose-gc', `bench/${name}`]
  const { status } = spawnSync(findNode(), args, { cwd: root, stdio: 'inherit' })
  failed ||= status !== 0
}
process.exit(failed ? 1 : 0)
