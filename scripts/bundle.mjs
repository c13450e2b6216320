// Puts each service's modules, and those that it takes from node_modules, into few files of build/bundle: a store that loads 20
// instead of 580 starts sooner, and holds less. bin/mnemo runs them while no source is newer.
// Entries: the executable, each service's main.ts and worker.ts, named as lib/kit/module-url.ts looks for them. Services share no files:
// what is shared would be cut into many small ones, each of which costs time and memory.
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { Module } from 'node:module'
import { rolldown } from 'rolldown'
import { root } from './node.mjs'

/** Loaded by load.cjs: they end soon, and are half done before what they call is compiled. Others would hold code that they never run. */
const shortLived = ['compact']
/** All files are in one folder, two below the root: URLs beside or above a module are the same for each. */
const output = `${root}build/bundle`
const made = `${output}.${process.pid}`
/** Processes that run may load what they have of an earlier bundle. */
const keptMs = 24 * 60 * 60 * 1000

await write('mnemo', ['services/mnemo.ts'])
for (const service of readdirSync(`${root}services`, { withFileTypes: true }))
  if (service.isDirectory()) {
    const entries = readdirSync(`${root}services/${service.name}`).filter((name) => /^(main|worker)\.ts$/.test(name))
    await write(
      service.name,
      entries.map((name) => `services/${service.name}/${name}`),
    )
  }

copyFileSync(`${root}scripts/load.cjs`, `${made}/load.cjs`)
mkdirSync(output, { recursive: true })
const names = readdirSync(made)
// What others load comes before them.
for (const name of names.toSorted((a, b) => isEntry(a) - isEntry(b))) renameSync(`${made}/${name}`, `${output}/${name}`)
rmSync(made, { recursive: true })
for (const name of readdirSync(output))
  if (!names.includes(name) && Date.now() - statSync(`${output}/${name}`).mtimeMs > keptMs) rmSync(`${output}/${name}`)

async function write(service, entries) {
  const isShortLived = shortLived.includes(service)
  const bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(entries.map((path) => [path.replaceAll('/', '-').replace(/\.ts$/, ''), path])),
    platform: 'node',
    // The one is machine code beside its package, the other reads files of its own.
    external: ['snappy', '@grpc/reflection'],
    onLog(level, log, handle) {
      // A warning is about the code of packages, which is as it is.
      if (level !== 'warn') handle(level, log)
    },
  })
  const { output: files } = await bundle.write({
    dir: made,
    // Sooner loaded than ES modules, for which Node.js asks each of its own modules for all that it exports, lazy ones too.
    format: 'cjs',
    strict: true,
    // What load.cjs loads is known by its content's hash behind a dot.
    entryFileNames: isShortLived ? '[name].[hash].cjs' : '[name].cjs',
    chunkFileNames: `${service}-[name]${isShortLived ? '.' : '-'}[hash].cjs`,
    // A source stays in memory as text: a byte a character where all are ASCII, else two.
    charset: 'ascii',
    comments: { legal: true, annotation: false, jsdoc: false },
  })
  await bundle.close()
  if (!isShortLived) return
  for (const { isEntry, name, fileName, code } of files) {
    writeFileSync(`${made}/${fileName}`, Module.wrap(code))
    if (isEntry) writeFileSync(`${made}/${name}.cjs`, `module.exports = require('./load.cjs')('${fileName}')\n`)
  }
}

function isEntry(name) {
  return Number(/^services-[^.]+\.cjs$/.test(name))
}
