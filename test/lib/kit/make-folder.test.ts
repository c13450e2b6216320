// Folders that are made with their parents, and what cannot be.
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeFolder } from '../../../lib/kit/make-folder.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'make-folder-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('the topmost that was made is told; one that is there is fine', async () => {
  const deep = path.join(folder, 'a/b/c')
  expect(await makeFolder(deep)).toBe(path.join(folder, 'a'))
  expect((await stat(deep)).isDirectory()).toBe(true)
  expect(await makeFolder(deep)).toBeUndefined()
  expect(await makeFolder(path.join(folder, 'a/b/d'))).toBe(path.join(folder, 'a/b/d'))
  expect(await makeFolder('/')).toBeUndefined()
})

test('many at once', async () => {
  const names = Array.from({ length: 20 }, (_, i) => path.join(folder, 'x/y', String(i % 3)))
  await Promise.all(names.map((name) => makeFolder(name)))
  for (const name of names) expect((await stat(name)).isDirectory()).toBe(true)
})

test.runIf(process.platform === 'linux')('below /proc it ends, with an error', async () => {
  await expect(makeFolder('/proc/none/such')).rejects.toMatchObject({ code: 'ENOENT' })
})

test('below a file: an error', async () => {
  const file = path.join(folder, 'file')
  await writeFile(file, '')
  await expect(makeFolder(path.join(file, 'x'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  await expect(makeFolder(file)).rejects.toMatchObject({ code: 'EEXIST' })
})
