// Puts each service's modules, and those that it takes from node_modules, into few files of build/bundle: a store that loads 60
// instead of 580 starts sooner, and holds less. bin/mnemo runs them while no source is newer.
// Entries: the executable and the modules of worker threads, named as lib/kit/module-url.ts looks for them.
import { readdirSync, renameSync, rmSync } from 'node:fs'
import { rolldown } from 'rolldown'
import { root } from './node.mjs'

/** All files are in one folder, two below the root: URLs beside or above a module are the same for each. */
const output = `${root}build/bundle`
const made = `${output}.${process.pid}`

const entries = readdirSync(`${root}services`, { recursive: true, encoding: 'utf8' })
  .filter((path) => path === 'mnemo.ts' || /(^|[/.])worker\.ts$/.test(path))
  .map((path) => `services/${path}`)

const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries(entries.map((path) => [path.replaceAll('/', '-').replace(/\.ts$/, ''), path])),
  platform: 'node',
  // Machine code is found beside its own package.
  external: ['snappy'],
  onLog(level, log, handle) {
    // A warning is about the code of packages, which is as it is.
    if (level !== 'warn') handle(level, log)
  },
})
await bundle.write({ dir: made, format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' })
await bundle.close()
rmSync(output, { recursive: true, force: true })
renameSync(made, output)
