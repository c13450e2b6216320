// A window that moves forward over a source: bytes are the source's, read once each; what is borrowed stays until it is released.
// Subject: lib/bytes/forward-window.ts, over a source in memory that notes its reads.
import { expect, test } from 'vitest'
import { ForwardWindow, type ForwardWindowOptions } from '../../../lib/bytes/forward-window.ts'
import type { RandomAccess } from '../../../lib/bytes/random-access.ts'
import { NotingSource } from '../../support/noting-source.ts'
import { Random, seed } from '../../support/random.ts'

const random = new Random(seed)
const bytes = random.bytes(10_000)

/** Entries of up to `mostBytes`, one behind the other. */
async function readThrough(source: RandomAccess, mostBytes: number, options: ForwardWindowOptions): Promise<void> {
  const window = new ForwardWindow(source, options)
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(1 + random.below(mostBytes), bytes.length - at)
    const got = await window.read(at, length)
    expect(Buffer.compare(got, bytes.subarray(at, at + length))).toBe(0)
    window.release()
    at += length
  }
  window.close()
}

const kinds: ForwardWindowOptions[] = [
  { windowBytes: 500 },
  { windowBytes: 500, releasable: true },
  { windowBytes: 10_000, releasable: true },
]

test.each(kinds)(`what is read is what is there (%o, SEED=${seed})`, async (options) => {
  for (const mostBytes of [1, 40, 499, 700])
    for (let n = 0; n < 5; n++) await readThrough(new NotingSource(bytes), mostBytes, options)
})

test('what lies in a window is read once', async () => {
  const source = new NotingSource(bytes)
  await readThrough(source, 1, { windowBytes: 500, releasable: true })
  expect(source.reads.map(({ offset }) => offset)).toEqual(Array.from({ length: 20 }, (_, i) => i * 500))
})

test('what nobody needs is freed, and what is borrowed stays until it is released', async () => {
  const source = new NotingSource(bytes)
  const window = new ForwardWindow(source, { windowBytes: 500, releasable: true })
  const borrowed = await window.read(10, 20)
  await window.read(495, 20)
  expect(Buffer.compare(borrowed, bytes.subarray(10, 30))).toBe(0)
  window.release()
  expect(borrowed).toHaveLength(0)
  expect(source.held()).toBe(1)
  window.close()
  expect(source.held()).toBe(0)
})
