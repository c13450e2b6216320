// What every Bucket does, whatever it stands on: one suite, run over memory, filesystem and S3.
// Specification: lib/objstore/bucket.ts.
// Owns the cases; each file that runs it makes fresh, empty buckets.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { type ErrorCode, MnemoError } from '../../../lib/kit/errors.ts'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { LocalFile } from '../../../lib/objstore/local-file.ts'

export interface ContractOptions {
  readonly name: string
  /** An empty bucket. */
  open(): Promise<Bucket>
  /** An upload of this size is made in several parts; 0: the bucket knows no parts. */
  readonly largeBytes: number
}

export function bucketContract({ name, open, largeBytes }: ContractOptions): void {
  describe(`bucket contract: ${name}`, () => {
    let bucket: Bucket
    const opened: Bucket[] = []
    beforeEach(async () => {
      bucket = await open()
      opened.push(bucket)
    })
    afterAll(async () => {
      await Promise.all(opened.map((each) => each.close()))
    })

    const put = (objectName: string, text: string) => bucket.upload(objectName, Buffer.from(text))
    const text = async (objectName: string) => (await buffer(await bucket.get(objectName))).toString()

    test('what was uploaded is read back, whole and by range', async () => {
      await put('a/b/object', 'hello, bucket')
      expect(await text('a/b/object')).toBe('hello, bucket')
      const range = async (offset: number, length: number) =>
        Buffer.from(await bucket.getRange('a/b/object', offset, length)).toString()
      expect(await range(0, 5)).toBe('hello')
      expect(await range(7, 6)).toBe('bucket')
      expect(await range(7, 100)).toBe('bucket')
      expect(await range(13, 1)).toBe('')
      expect(await range(50, 1)).toBe('')
      expect(await range(3, 0)).toBe('')
    })

    test('an upload replaces', async () => {
      await put('object', 'a longer first version')
      await put('object', 'second')
      expect(await text('object')).toBe('second')
    })

    test('an empty object is an object', async () => {
      await put('empty', '')
      await bucket.upload('empty-stream', Readable.from([]))
      for (const objectName of ['empty', 'empty-stream']) {
        expect(await bucket.exists(objectName)).toBe(true)
        expect((await bucket.attributes(objectName)).sizeBytes).toBe(0)
        expect(await text(objectName)).toBe('')
        expect(await bucket.getRange(objectName, 0, 10)).toHaveLength(0)
      }
    })

    test('attributes tell size and time', async () => {
      const before = Date.now()
      await put('object', '12345')
      const { sizeBytes, lastModifiedMs } = await bucket.attributes('object')
      expect(sizeBytes).toBe(5)
      expect(lastModifiedMs).toBeGreaterThan(before - 2000)
      expect(lastModifiedMs).toBeLessThan(Date.now() + 2000)
      for await (const listed of bucket.list('')) {
        expect(listed).toMatchObject({ name: 'object', sizeBytes })
        // HTTP's dates have whole seconds, listings finer ones.
        expect(Math.abs((listed.lastModifiedMs ?? 0) - lastModifiedMs)).toBeLessThan(1000)
      }
    })

    test('a missing object is not_found, to exists() an answer, to delete() nothing', async () => {
      await put('folder/object', 'x')
      for (const missing of ['nothing', 'folder', 'folder/object/below', 'folder/other']) {
        await fails('not_found', () => bucket.get(missing))
        await fails('not_found', () => bucket.getRange(missing, 0, 1))
        await fails('not_found', () => bucket.getRange(missing, 0, 0))
        await fails('not_found', () => bucket.attributes(missing))
        expect(await bucket.exists(missing)).toBe(false)
        await bucket.delete(missing)
      }
      expect(await text('folder/object')).toBe('x')
    })

    test('delete takes an object away, and the folders that it was the last one of', async () => {
      await put('a/b/one', '1')
      await put('a/two', '2')
      await bucket.delete('a/b/one')
      expect(await bucket.exists('a/b/one')).toBe(false)
      expect(await names('a')).toEqual(['a/two'])
      await bucket.delete('a/two')
      expect(await names('')).toEqual([])
      await bucket.delete('a/')
    })

    const names = async (folder: string, recursive = false) => {
      const found: string[] = []
      for await (const object of bucket.list(folder, { recursive })) found.push(object.name)
      return found
    }

    test('a listing is in the order of bytes, folders among objects', async () => {
      // '-' sorts before '/', '0' after it; U+FFFD before what lies above the BMP, which UTF-16 has the other way.
      const all = ['a-b', 'a/1', 'a/2/3', 'a0', 'b/x', '\ufffd', '\u{1f600}', 'é']
      for (const objectName of [...all].reverse()) await put(objectName, objectName)
      expect(await names('')).toEqual(['a-b', 'a/', 'a0', 'b/', 'é', '\ufffd', '\u{1f600}'])
      expect(await names('', true)).toEqual(['a-b', 'a/1', 'a/2/3', 'a0', 'b/x', 'é', '\ufffd', '\u{1f600}'])
      expect(await names('a')).toEqual(['a/1', 'a/2/'])
      expect(await names('a/')).toEqual(['a/1', 'a/2/'])
      expect(await names('a', true)).toEqual(['a/1', 'a/2/3'])
      expect(await names('a/2')).toEqual(['a/2/3'])
      expect(await names('a-b')).toEqual([])
      expect(await names('missing')).toEqual([])
    })

    test('names that climb out, or are none, are refused', async () => {
      for (const wrong of ['', '/a', 'a//b', '../a', 'a/../../b', 'a/..', './a', 'a\0b', 'x'.repeat(1025)]) {
        await fails('bad_data', () => put(wrong, 'x'))
        await fails('bad_data', () => bucket.putIfAbsent(wrong, Buffer.from('x')))
        await fails('bad_data', () => bucket.get(wrong))
        await fails('bad_data', () => bucket.getRange(wrong, 0, 1))
        await fails('bad_data', () => bucket.exists(wrong))
        await fails('bad_data', () => bucket.delete(wrong))
      }
      await fails('bad_data', () => names('../'))
      await fails('bad_data', () => bucket.getRange('a', -1, 1))
      await fails('bad_data', () => bucket.getRange('a', 0, 1.5))
    })

    test('putIfAbsent creates once', async () => {
      await bucket.putIfAbsent('mark', Buffer.from('first'))
      await fails('already_exists', () => bucket.putIfAbsent('mark', Buffer.from('second')))
      expect(await text('mark')).toBe('first')
    })

    test('of racing putIfAbsent one wins, with its own content', async () => {
      const puts = Array.from({ length: 8 }, (_, i) => bucket.putIfAbsent('race', Buffer.from(`writer ${i}`)))
      const outcomes = await Promise.allSettled(puts)
      const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i] : []))
      expect(winners).toHaveLength(1)
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect((outcome.reason as MnemoError).code).toBe('already_exists')
      expect(await text('race')).toBe(`writer ${winners[0]}`)
    })

    test('a stream is uploaded as it comes', async () => {
      await bucket.upload('stream', Readable.from(['one ', 'two ', 'three'].map((part) => Buffer.from(part))))
      expect(await text('stream')).toBe('one two three')
    })

    test('a large stream and a large body, byte for byte', async () => {
      const size = Math.max(largeBytes, 100_000)
      const bytes = pseudoRandom(size)
      await bucket.upload('large/stream', Readable.from(pieces(bytes, 700_001)))
      await bucket.upload('large/body', bytes)
      for (const objectName of ['large/stream', 'large/body']) {
        expect((await bucket.attributes(objectName)).sizeBytes).toBe(size)
        expect(Buffer.compare(await buffer(await bucket.get(objectName)), bytes)).toBe(0)
        const part = await bucket.getRange(objectName, size - 1000, 2000)
        expect(Buffer.compare(part, bytes.subarray(size - 1000))).toBe(0)
      }
    })

    test('a file is uploaded as it is, to be linked or not; one that is not there is told', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'mnemo-local-file-'))
      for (const mayLink of [false, true]) {
        const bytes = pseudoRandom(300_000)
        const path = join(folder, `mayLink-${mayLink}`)
        await writeFile(path, bytes)
        const file = new LocalFile(path, { sizeBytes: bytes.length, mayLink })
        await bucket.upload('from/file', file)
        await rm(path)
        expect(Buffer.compare(await buffer(await bucket.get('from/file')), bytes)).toBe(0)
        await fails('not_found', () => bucket.upload('from/none', file))
        expect(await bucket.exists('from/none')).toBe(false)
      }
      await rm(folder, { recursive: true })
    })

    test('a source that fails leaves no object', async () => {
      const size = Math.max(largeBytes, 1000)
      async function* failing(): AsyncGenerator<Buffer> {
        yield* pieces(pseudoRandom(size), 100_000)
        throw new Error('the source broke')
      }
      await expect(bucket.upload('half', Readable.from(failing()))).rejects.toThrow()
      expect(await bucket.exists('half')).toBe(false)
      expect(await names('', true)).toEqual([])
    })

    test('a failed upload leaves the object that was there', async () => {
      await put('object', 'old')
      const broken = new Readable({ read: () => broken.destroy(new Error('the source broke')) })
      await expect(bucket.upload('object', broken)).rejects.toThrow()
      expect(await text('object')).toBe('old')
    })

    test('an aborted upload leaves no object', async () => {
      const controller = new AbortController()
      const size = Math.max(largeBytes, 1000)
      async function* endless(): AsyncGenerator<Buffer> {
        yield* pieces(pseudoRandom(size), 100_000)
        controller.abort()
        await new Promise(() => {})
      }
      await fails('canceled', () => bucket.upload('half', Readable.from(endless()), controller.signal))
      expect(await bucket.exists('half')).toBe(false)
      expect(await names('', true)).toEqual([])
    })

    test('an aborted signal ends each operation as canceled', async () => {
      await put('object', 'x')
      const signal = AbortSignal.abort()
      await fails('canceled', () => bucket.get('object', signal))
      await fails('canceled', () => bucket.getRange('object', 0, 1, signal))
      await fails('canceled', () => bucket.exists('object', signal))
      await fails('canceled', () => bucket.attributes('object', signal))
      await fails('canceled', () => bucket.upload('other', Buffer.from('x'), signal))
      await fails('canceled', () => bucket.putIfAbsent('other', Buffer.from('x'), signal))
      await fails('canceled', () => bucket.delete('object', signal))
      await fails('canceled', async () => {
        for await (const _ of bucket.list('', { signal }));
      })
      expect(await names('')).toEqual(['object'])
    })

    test('what the caller does with its bytes afterwards changes nothing', async () => {
      const body = Buffer.from('kept')
      await bucket.upload('object', body)
      body.fill(0)
      await bucket.upload('streamed', Readable.from([Buffer.from('kept')]))
      for (const name of ['object', 'streamed']) {
        const read = await bucket.getRange(name, 0, 4)
        read.fill(0)
        expect(await text(name)).toBe('kept')
      }
    })
  })
}

/** Expects the code. */
export async function fails(code: ErrorCode, run: () => Promise<unknown>): Promise<void> {
  const error = await run().then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(MnemoError)
  expect((error as MnemoError).code).toBe(code)
}

export function pseudoRandom(length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4))
  let x = 2463534242
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    words[i] = x
  }
  return Buffer.from(words.buffer, 0, length)
}

export function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
