// Finds the Node.js that runs Mnemo: the pinned one among the dependencies, else this one where it is new enough.
// Plain JavaScript for Node.js 18 and later, nothing but node: imports. Owns the version rule; bin/mnemo goes by what keepNode() has noted.
import { spawnSync } from 'node:child_process'
import { readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const oldestMajor = 24

/** Path of a Node.js that strips types; ends the process with one line and status 2 where there is none. */
export function findNode() {
  const pinned = `${root}node_modules/node-${process.platform}-${process.arch}/bin/node`
  // It may be there and be for another C library.
  if (spawnSync(pinned, ['--version']).status === 0) return pinned
  if (Number(process.versions.node.split('.')[0]) >= oldestMajor) return process.execPath
  fail(`Mnemo needs Node.js ${oldestMajor} or newer on ${process.platform}-${process.arch}: this is ${process.version}`)
}

/** Notes the Node.js that findNode() found as a link, so that bin/mnemo need not try it at each start: without one it takes that of PATH. */
export function keepNode(path) {
  const link = `${root}build/.node`
  const target = path.startsWith(root) ? `../${path.slice(root.length)}` : path
  try {
    if (readlinkSync(link) === target) return
  } catch {
    // There is none yet.
  }
  rmSync(link, { force: true })
  try {
    symlinkSync(target, link)
  } catch (error) {
    console.error(`cannot note which Node.js to run: ${error.message}`)
  }
}

/** One clear line on standard error, exit status 2. */
export function fail(line) {
  console.error(line)
  process.exit(2)
}
