// The bucket at the other end of a port: every call, errors with their codes, aborts, the end of either side.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import type { WorkBucket } from '../../../lib/objstore/bucket.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { LocalFile } from '../../../lib/objstore/local-file.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { metricsBucket } from '../../../lib/objstore/metrics.ts'
import { portBucket, serveBucket } from '../../../lib/objstore/port-bucket.ts'
import { prefixBucket } from '../../../lib/objstore/prefix.ts'

const inner = new MemoryBucket()
let channel: MessageChannel
let reads: number[]

beforeEach(async () => {
  channel = new MessageChannel()
  reads = []
  await inner.upload('block/chunks/000001', Buffer.from('some chunks'))
  await inner.upload('block/index', Buffer.from('an index'))
})
afterEach(() => channel.port1.close())

function connect(bucket: WorkBucket = inner): WorkBucket {
  serveBucket(bucket, channel.port1, { onRead: (bytes) => reads.push(bytes) })
  return portBucket(channel.port2)
}

/** A bucket whose ranges come when their signal says so. */
function hangingBucket() {
  const signals: AbortSignal[] = []
  const getRange = (_name: string, _offset: number, _length: number, signal?: AbortSignal) =>
    new Promise<Uint8Array>((_resolve, reject) => {
      signals.push(signal!)
      signal!.addEventListener('abort', () => reject(signal!.reason))
    })
  const bucket: WorkBucket = Object.assign(Object.create(inner) as WorkBucket, { getRange })
  return { bucket, signals }
}

test('what is there is listed, measured, read by range and deleted', async () => {
  const bucket = connect()
  const names = async (folder: string, recursive: boolean) =>
    (await Array.fromAsync(bucket.list(folder, { recursive }))).map(({ name }) => name)
  expect(await names('block/', false)).toEqual(['block/chunks/', 'block/index'])
  expect(await names('block/', true)).toEqual(['block/chunks/000001', 'block/index'])
  expect(await bucket.attributes('block/index')).toEqual(await inner.attributes('block/index'))
  const read = async (offset: number, length: number) =>
    Buffer.from(await bucket.getRange('block/index', offset, length)).toString()
  expect(await Promise.all([read(0, 2), read(3, 100), read(8, 1)])).toEqual(['an', 'index', ''])
  expect(reads.toSorted()).toEqual([0, 2, 5])
  await bucket.delete('block/index')
  expect(await inner.exists('block/index')).toBe(false)
})

test('a range is the bucket’s own no more: it was moved, and what stays of it is not cut', async () => {
  const memory = new Uint8Array([1, 2, 3, 4])
  const part = memory.subarray(1, 3)
  const bucket = connect(Object.assign(Object.create(inner) as WorkBucket, { getRange: async () => part }))
  expect(await bucket.getRange('x', 0, 2)).toEqual(new Uint8Array([2, 3]))
  expect(memory).toEqual(new Uint8Array([1, 2, 3, 4]))
  const alone = new Uint8Array([5, 6])
  const { port1, port2 } = new MessageChannel()
  serveBucket(Object.assign(Object.create(inner) as WorkBucket, { getRange: async () => alone }), port1)
  expect(await portBucket(port2).getRange('x', 0, 2)).toEqual(new Uint8Array([5, 6]))
  expect(alone.length).toBe(0)
  port1.close()
})

test('of a folder, ranges are read at once where they are wanted, and counted where it is served', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'port-bucket-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const registry = createRegistry()
  const served = metricsBucket(prefixBucket(new FilesystemBucket(folder), 'tenant/a'), 'folder', registry)
  await served.upload('block/index', Buffer.from('an index'))
  const bucket = connect(served)
  const into = Buffer.alloc(4)
  await vi.waitFor(() => expect(bucket.readNow!('block/index', 3, into)).toBe(true))
  expect(into.toString()).toBe('inde')
  await served.upload('block/index', Buffer.from('another index'))
  expect(bucket.readNow!('block/index', 8, into)).toBe(true)
  expect(into.toString()).toBe('inde')

  // Beyond its end, no object, a folder, no name of one: left to getRange().
  for (const [name, offset] of [
    ['block/index', 10],
    ['block/none', 0],
    ['block', 0],
    ['../a/block/index', 0],
  ] as const)
    expect(bucket.readNow!(name, offset, into)).toBe(false)
  await vi.waitFor(() => expect(reads).toEqual([4, 4]))
  const counted = (name: string) => registry.getSingleMetricAsString(`thanos_objstore_bucket_operation${name}`)
  expect(await counted('s_total')).toContain('{bucket="folder",operation="get_range"} 2')
  expect(await counted('_fetched_bytes_total')).toContain('{bucket="folder",operation="get_range"} 8')
  expect(await counted('_duration_seconds')).toContain('_count{bucket="folder",operation="get_range"} 2')
})

test('what is no folder is read in no other way', async () => {
  const bucket = connect()
  await bucket.attributes('block/index')
  expect(bucket.readNow!('block/index', 0, Buffer.alloc(1))).toBe(false)
})

test('a file of this machine goes in whole, with what is known of it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'port-bucket-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'segment')
  await writeFile(file, 'a segment')
  const taken: LocalFile[] = []
  const upload = (name: string, body: LocalFile) => {
    taken.push(body)
    return inner.upload(name, body)
  }
  const bucket = connect(Object.assign(Object.create(inner) as WorkBucket, { upload }))
  await bucket.upload('block/chunks/000002', new LocalFile(file, { sizeBytes: 9, mayLink: true }))
  expect(Buffer.from(await inner.getRange('block/chunks/000002', 0, 100)).toString()).toBe('a segment')
  expect(taken).toEqual([new LocalFile(file, { sizeBytes: 9, mayLink: true })])
})

test('errors keep their code and say their causes', async () => {
  const bucket = connect()
  await expect(bucket.getRange('none', 0, 1)).rejects.toMatchObject({ name: 'MnemoError', code: 'not_found' })
  await expect(Array.fromAsync(bucket.list('/wrong//'))).rejects.toMatchObject({ name: 'MnemoError' })
  const cause = new Error('ECONNRESET')
  const failing = async () => {
    throw new MnemoError('unavailable', 'cannot read index', { cause })
  }
  const { port1, port2 } = new MessageChannel()
  serveBucket(Object.assign(Object.create(inner) as WorkBucket, { attributes: failing }), port1)
  await expect(portBucket(port2).attributes('index')).rejects.toMatchObject({
    code: 'unavailable',
    message: 'cannot read index: ECONNRESET',
  })
  port1.close()
})

test('an abort ends the call where it runs, and is the error that the caller sees', async () => {
  const { bucket, signals } = hangingBucket()
  const remote = connect(bucket)
  const abort = new AbortController()
  const run = remote.getRange('x', 0, 1, abort.signal)
  const other = remote.getRange('y', 0, 1)
  await vi.waitFor(() => expect(signals.length).toBe(2))
  abort.abort(new MnemoError('timeout', 'too slow'))
  await expect(run).rejects.toMatchObject({ code: 'timeout', message: 'too slow' })
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  await expect(remote.getRange('z', 0, 1, abort.signal)).rejects.toMatchObject({ code: 'timeout' })
  const left = expect(other).rejects.toMatchObject({ code: 'unavailable' })
  channel.port1.close()
  await left
})

test('where the caller’s thread goes its calls are ended', async () => {
  const { bucket, signals } = hangingBucket()
  const run = connect(bucket).getRange('x', 0, 1)
  const left = expect(run).rejects.toMatchObject({ code: 'unavailable' })
  await vi.waitFor(() => expect(signals.length).toBe(1))
  channel.port2.close()
  await vi.waitFor(() => expect(signals[0]!.aborted).toBe(true))
  await left
})
