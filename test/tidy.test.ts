// The house style, held by a test: layers, import circles, dead files, file sizes, headers, and the files that comments name.
// Specification: ARCHITECTURE.md, "One way down".
// Owns the list of layers; a new folder is added here on purpose or not at all.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Each layer may import itself and what stands below it. Layers on one line may not import each other. */
const layers = [
  ['services'],
  ['lib/promql', 'lib/compact', 'lib/store', 'lib/storeapi'],
  ['lib/blocks'],
  ['lib/objstore'],
  ['lib/tsdb'],
  ['lib/histogram'],
  ['lib/chunkenc'],
  ['lib/kernels'],
  ['lib/labels', 'lib/dedup'],
  ['lib/bytes'],
  ['lib/kit'],
]
/** lib/store speaks the StoreAPI: the one arrow between layers of a line. */
const allowed = new Set(['lib/store → lib/storeapi'])

const maxLines = 500

const files = ['lib', 'services', 'test', 'bench', 'scripts'].flatMap(listFiles)
const sources = files.filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
const imports = new Map(sources.map((file) => [file, importsOf(file)]))

test('imports run down the layers only', () => {
  const wrong = [...imports].flatMap(([file, targets]) =>
    targets.filter((target) => !mayImport(file, target)).map((target) => `${file} imports ${target}`),
  )
  expect(wrong).toEqual([])
})

test('no import circles, types included', () => {
  expect(findCircle()).toEqual([])
})

test('no dead files: each source under lib/ and services/ is reached from an entry point', () => {
  const entries = sources.filter(isEntry)
  const reached = new Set(entries)
  for (const file of reached) for (const target of imports.get(file) ?? []) reached.add(target)
  const dead = sources.filter(
    (file) => !reached.has(file) && !file.startsWith('test/') && !file.startsWith('lib/kernels/assembly/'),
  )
  expect(dead).toEqual([])
})

test(`no file is longer than ${maxLines} lines`, () => {
  const long = files.filter((file) => isCode(file) && lines(file).length > maxLines)
  expect(long).toEqual([])
})

test('each source says at its head what it is', () => {
  const silent = sources.filter((file) => !lines(file)[0]?.startsWith('//'))
  expect(silent).toEqual([])
})

test('each file that a comment names is there', () => {
  const there = [...files, ...listFiles('proto')].map((file) => `/${file}`)
  const isThere = (name: string) => there.some((file) => file.endsWith(`/${name}`))
  const wrong = files.filter(isCode).flatMap((file) =>
    namedInComments(file)
      .filter((name) => !isThere(name))
      .map((name) => `${file} names ${name}`),
  )
  expect(wrong).toEqual([])
})

function mayImport(file: string, target: string): boolean {
  if (file.startsWith('services/')) {
    const service = file.split('/')[1]
    return !target.startsWith('services/') || target.split('/')[1] === service
  }
  const from = layerOf(file)
  const to = layerOf(target)
  if (!from || !to) return true
  if (from.name === to.name || allowed.has(`${from.name} → ${to.name}`)) return true
  return from.depth < to.depth
}

function layerOf(file: string): { name: string; depth: number } | undefined {
  for (const [depth, names] of layers.entries()) {
    const name = names.find((name) => file.startsWith(`${name}/`))
    if (name) return { name, depth }
  }
  return undefined
}

// What runs by itself: services, workers (started by URL), benchmarks, tests and their support.
function isEntry(file: string): boolean {
  return /^(test|bench|scripts)\//.test(file)
    ? !file.startsWith('test/support/')
    : /(^services\/mnemo|\/main|worker)\.ts$/.test(file)
}

function findCircle(): string[] {
  const done = new Set<string>()
  const visit = (file: string, trail: string[]): string[] => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file]
    if (done.has(file)) return []
    for (const target of imports.get(file) ?? []) {
      const circle = visit(target, [...trail, file])
      if (circle.length > 0) return circle
    }
    done.add(file)
    return []
  }
  for (const file of sources) {
    const circle = visit(file, [])
    if (circle.length > 0) return circle
  }
  return []
}

function importsOf(file: string): string[] {
  const text = readFileSync(root + file, 'utf8')
  const specifiers = [...text.matchAll(/(?:from|import\(|import)\s*'(\.[^']+\.ts)'/g)].map((match) => match[1]!)
  return specifiers.map((specifier) => path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier)))
}

function isCode(file: string): boolean {
  return /\.(ts|mjs)$/.test(file)
}

// By their own names or with folders in front. Other projects' files are written in other languages, but for .proto files.
function namedInComments(file: string): string[] {
  const comments = lines(file).flatMap((line) => /(?:^|\s)\/\/.*|^\s*\/?\*.*/.exec(line)?.[0] ?? [])
  const named = /(?<![\w/])(?:[\w./-]*\w\.(?:ts|mjs)|proto\/[\w-]+\.proto)\b/g
  return comments.flatMap((comment) => comment.match(named) ?? [])
}

function lines(file: string): string[] {
  return readFileSync(root + file, 'utf8')
    .trimEnd()
    .split('\n')
}

function listFiles(folder: string): string[] {
  return readdirSync(root + folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('/golden'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
}
