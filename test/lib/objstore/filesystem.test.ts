// The bucket in a directory: the contract, and what is particular to files.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, expect, test } from 'vitest'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { LocalFile } from '../../../lib/objstore/local-file.ts'
import { bucketContract, fails } from './bucket-contract.ts'

const root = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-filesystem-'))
afterAll(() => fs.rm(root, { recursive: true }))

let count = 0
const freshDirectory = () => path.join(root, `bucket-${count++}`)

bucketContract({
  name: 'filesystem',
  open: async () => new FilesystemBucket(freshDirectory()),
  largeBytes: 3_000_000,
})

test('objects are files at their names, as Thanos has them', async () => {
  const directory = freshDirectory()
  await new FilesystemBucket(directory).upload('01ABC/chunks/000001', Buffer.from('chunk'))
  expect(await fs.readFile(path.join(directory, '01ABC/chunks/000001'), 'utf8')).toBe('chunk')
  await fs.mkdir(path.join(directory, '01DEF'))
  await fs.writeFile(path.join(directory, '01DEF/index'), 'index')
  await fs.mkdir(path.join(directory, 'empty/emptier'), { recursive: true })
  const names: string[] = []
  for await (const object of new FilesystemBucket(directory).list('', { recursive: true })) names.push(object.name)
  expect(names).toEqual(['01ABC/chunks/000001', '01DEF/index'])
})

test('an upload in progress is seen by nobody', async () => {
  const directory = freshDirectory()
  const bucket = new FilesystemBucket(directory)
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  async function* slow(): AsyncGenerator<Buffer> {
    yield Buffer.from('first')
    await gate
    yield Buffer.from(', second')
  }
  const upload = bucket.upload('block/index', Readable.from(slow()))
  await expect.poll(() => fs.readdir(path.join(directory, '.mnemo-upload')).catch(() => [])).toHaveLength(1)
  for await (const object of bucket.list('')) expect.unreachable(object.name)
  expect(await bucket.exists('block/index')).toBe(false)
  release()
  await upload
  expect(await fs.readFile(path.join(directory, 'block/index'), 'utf8')).toBe('first, second')
  expect(await fs.readdir(path.join(directory, '.mnemo-upload'))).toEqual([])
  await fails('bad_data', () => bucket.upload('.mnemo-upload/x', Buffer.from('x')))
})

test('a file that nobody writes to is linked, any other is copied', async () => {
  const directory = freshDirectory()
  const bucket = new FilesystemBucket(directory)
  const file = path.join(root, 'local-file')
  await fs.writeFile(file, 'bytes')
  const inode = async (name: string) => (await fs.stat(name)).ino
  await bucket.upload('linked', new LocalFile(file, { sizeBytes: 5, mayLink: true }))
  expect(await inode(path.join(directory, 'linked'))).toBe(await inode(file))
  await bucket.upload('copied', new LocalFile(file, { sizeBytes: 5 }))
  expect(await inode(path.join(directory, 'copied'))).not.toBe(await inode(file))
  await bucket.upload('linked', Buffer.from('replaced'))
  expect(await fs.readFile(file, 'utf8')).toBe('bytes')
  expect(await fs.readdir(path.join(directory, '.mnemo-upload'))).toEqual([])
})

test('a range is of the object as it is now, whoever replaced or deleted it', async () => {
  const [reader, writer] = [new FilesystemBucket(root), new FilesystemBucket(root)]
  const read = async () => Buffer.from(await reader.getRange('replaced/a', 1, 3)).toString()
  await writer.upload('replaced/a', Buffer.from('first'))
  expect([await read(), await read()]).toEqual(['irs', 'irs'])
  await writer.upload('replaced/a', Buffer.from('second'))
  expect(await Promise.all([read(), read()])).toEqual(['eco', 'eco'])
  await writer.delete('replaced/a')
  await expect(read()).rejects.toMatchObject({ code: 'not_found' })
  await writer.upload('replaced/a/b', Buffer.from('x'))
  await expect(read()).rejects.toMatchObject({ code: 'not_found' })
  await reader.close()
})

test('what a killed upload left behind goes after a day', async () => {
  const directory = freshDirectory()
  const folder = path.join(directory, '.mnemo-upload')
  await fs.mkdir(folder, { recursive: true })
  await fs.writeFile(path.join(folder, 'old'), 'x')
  await fs.writeFile(path.join(folder, 'young'), 'x')
  const twoDaysAgo = new Date(Date.now() - 48 * 3600 * 1000)
  await fs.utimes(path.join(folder, 'old'), twoDaysAgo, twoDaysAgo)
  await new FilesystemBucket(directory).upload('object', Buffer.from('x'))
  expect(await fs.readdir(folder)).toEqual(['young'])
})

test('uploads into a folder whose last object is being deleted succeed', async () => {
  const bucket = new FilesystemBucket(freshDirectory())
  for (let i = 0; i < 30; i++) {
    await bucket.upload('a/b/c/one', Buffer.from('1'))
    await Promise.all([bucket.delete('a/b/c/one'), bucket.upload('a/b/c/two', Buffer.from('2'))])
    expect(await bucket.exists('a/b/c/two')).toBe(true)
    await bucket.delete('a/b/c/two')
  }
})
