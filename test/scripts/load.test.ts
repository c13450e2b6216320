// Files of the bundle that are loaded from code compiled before: the code is used, is never another file's or a damaged one, and nothing
// fails where there is none. Subject: scripts/load.cjs, in processes of their own.
import { spawnSync } from 'node:child_process'
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, expect, test } from 'vitest'

const folder = mkdtempSync(path.join(tmpdir(), 'mnemo-load-'))
const cache = path.join(folder, 'cache')
const main = path.join(folder, 'main.abcd.cjs')

beforeEach(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  copyFileSync(fileURLToPath(new URL('../../scripts/load.cjs', import.meta.url)), path.join(folder, 'load.cjs'))
  writeFileSync(path.join(folder, 'package.json'), '{"type": "module"}')
  writeFileSync(path.join(folder, 'main.cjs'), "console.log(require('./load.cjs')('main.abcd.cjs').answer())")
  write('main.abcd.cjs', 'exports.answer = () => "one"')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A file as scripts/bundle.mjs makes it. */
function write(name: string, text: string): void {
  const parameters = 'exports, require, module, __filename, __dirname'
  writeFileSync(path.join(folder, name), `(function (${parameters}) {${text}\n})`)
}

function run(env: NodeJS.ProcessEnv = {}): string {
  const given = { PATH: process.env.PATH, NODE_COMPILE_CACHE: cache, ...env }
  const { stdout, stderr } = spawnSync(process.execPath, [path.join(folder, 'main.cjs')], {
    encoding: 'utf8',
    env: given,
  })
  return stdout.trim() + stderr
}

/** The folder of compiled code: there is one once something ran. */
const codeFolder = () =>
  path.join(cache, readdirSync(cache).find((name) => name.startsWith('mnemo-')) ?? 'nothing was compiled')
const code = () => path.join(codeFolder(), path.basename(main))

test('a second process runs what the first has compiled, functions that were not called too', () => {
  write('main.abcd.cjs', 'exports.answer = () => "one"; exports.other = () => "one and more of it".repeat(3)')
  expect(run()).toBe('one')
  const whole = statSync(code()).size
  // Of the same length, which is all that V8 asks of a source; a file's name has the hash of its content.
  write('main.abcd.cjs', 'exports.answer = () => "two"; exports.other = () => "two and more of it".repeat(3)')
  expect(run()).toBe('one')
  rmSync(code())
  write('main.abcd.cjs', 'exports.answer = () => "one"')
  run()
  expect(statSync(code()).size).toBeLessThan(whole - 200)
})

test('code of a source of another length is compiled anew', () => {
  expect(run()).toBe('one')
  write('main.abcd.cjs', 'exports.answer = () => "three"')
  expect(run()).toBe('three')
  expect(run()).toBe('three')
})

test('code that was damaged is not run: a bit, the end, all of it, and what is none', () => {
  expect(run()).toBe('one')
  const whole = readFileSync(code())
  const flipped = Buffer.from(whole)
  flipped[whole.length >> 1]! ^= 4
  for (const bytes of [flipped, whole.subarray(0, -5), whole.subarray(0, 8), Buffer.alloc(0), Buffer.alloc(500)]) {
    writeFileSync(code(), bytes)
    expect(run()).toBe('one')
    expect(Buffer.compare(readFileSync(code()).subarray(8, 24), whole.subarray(8, 24))).toBe(0)
    expect(readdirSync(codeFolder())).toEqual(['main.abcd.cjs'])
  }
})

test('files load each other as Node.js has it: once each, in a circle, its own modules, and failures are thrown again', () => {
  write(
    'main.abcd.cjs',
    "exports.early = 1; exports.other = require('./other.cjs'); exports.answer = () => exports.other.seen",
  )
  write(
    'other.cjs',
    `
    const tries = []
    for (let i = 0; i < 2; i++) try { require('./bad.cjs') } catch (error) { tries.push(error.message) }
    const early = require('./main.abcd.cjs').early
    const { basename } = require('node:path')
    exports.seen = [early, basename(__filename), require('./main.abcd.cjs') === module.exports, tries].join()`,
  )
  write('bad.cjs', "throw new Error('bad')")
  const want = '1,other.cjs,false,bad,bad'
  expect([run(), run()]).toEqual([want, want])
})

test('without the cache, or where none can be, all runs as well', () => {
  expect(run({ NODE_DISABLE_COMPILE_CACHE: '1' })).toBe('one')
  expect(existsSync(cache)).toBe(false)
  expect(run({ NODE_COMPILE_CACHE: path.join(folder, 'package.json') })).toBe('one')
})

const isRoot = process.getuid?.() === 0

test.skipIf(!isRoot)(
  `code that another user may have written is not run${isRoot ? '' : ' (only root can give a folder away)'}`,
  () => {
    run()
    chownSync(codeFolder(), 65534, 65534)
    write('main.abcd.cjs', 'exports.answer = () => "two"')
    expect(run()).toBe('two')
  },
)
