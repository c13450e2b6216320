// A window that moves forward over a source: bytes are the source's, read once each, ahead or not; failures are told when they are met.
// Subject: lib/bytes/forward-window.ts, over a source in memory that notes its reads.
import { expect, test } from 'vitest'
import { ForwardWindow, type ForwardWindowOptions } from '../../../lib/bytes/forward-window.ts'
import { bufferRandomAccess, type RandomAccess } from '../../../lib/bytes/random-access.ts'
import { Random, seed } from '../../support/random.ts'

const random = new Random(seed)
const bytes = random.bytes(10_000)

interface Source extends RandomAccess {
  readonly reads: { offset: number; length: number }[]
  /** Reads that fail, by their number. */
  readonly failing: Set<number>
}

function sourceOf(): Source {
  const inner = bufferRandomAccess('source', bytes)
  const reads: Source['reads'] = []
  const failing = new Set<number>()
  const read: RandomAccess['read'] = async (offset, length, signal) => {
    const number = reads.push({ offset, length }) - 1
    await new Promise((resolve) => setImmediate(resolve))
    if (failing.has(number)) throw new Error(`read ${number} failed`)
    return inner.read(offset, length, signal)
  }
  return { name: 'source', sizeBytes: bytes.length, read, reads, failing }
}

/** Entries of up to `mostBytes`, one behind the other, by read() or by moving the window. */
async function readThrough(source: Source, mostBytes: number, options: ForwardWindowOptions): Promise<void> {
  const window = new ForwardWindow(source, options)
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(1 + random.below(mostBytes), bytes.length - at)
    let got: Uint8Array
    if (random.below(2) === 0) got = await window.read(at, length)
    else {
      const isThere = () => at >= window.atHand.start && at + length <= window.atHand.start + window.atHand.bytes.length
      if (!isThere()) await window.moveTo(at, random.below(2) * length)
      if (!isThere()) continue // longer than a window: read() has it
      got = window.atHand.bytes.subarray(at - window.atHand.start, at - window.atHand.start + length)
    }
    expect(Buffer.compare(got, bytes.subarray(at, at + length))).toBe(0)
    window.release()
    at += length
  }
  window.close()
}

const kinds: ForwardWindowOptions[] = [
  { windowBytes: 500 },
  { windowBytes: 500, releasable: true },
  { windowBytes: 500, releasable: true, readsAhead: true },
  { windowBytes: 10_000, releasable: true, readsAhead: true },
]

test.each(kinds)(`what is read is what is there (%o, SEED=${seed})`, async (options) => {
  for (const mostBytes of [1, 40, 499, 700])
    for (let n = 0; n < 5; n++) await readThrough(sourceOf(), mostBytes, options)
})

test('what is read ahead is read once', async () => {
  const source = sourceOf()
  await readThrough(source, 100, { windowBytes: 500, releasable: true, readsAhead: true })
  expect(source.reads.map(({ offset }) => offset)).toEqual(Array.from({ length: 20 }, (_, i) => i * 500))
})

test('a failure to read ahead is told by the read that needs the bytes, and only where it lasts', async () => {
  const options = { windowBytes: 500, readsAhead: true }
  const passing = sourceOf()
  passing.failing.add(1)
  const window = new ForwardWindow(passing, options)
  await window.read(0, 10)
  expect(Buffer.compare(await window.read(495, 10), bytes.subarray(495, 505))).toBe(0)

  const lasting = sourceOf()
  for (let i = 1; i < 10; i++) lasting.failing.add(i)
  const broken = new ForwardWindow(lasting, options)
  await broken.read(0, 10)
  await expect(broken.read(495, 10)).rejects.toThrow('failed')
})

test('what nobody needs is freed, and what is borrowed stays until it is released', async () => {
  const read: Uint8Array[] = []
  const source = sourceOf()
  const noting = {
    ...source,
    read: async (...args: Parameters<RandomAccess['read']>) => keep(await source.read(...args)),
  }
  const keep = (piece: Uint8Array) => {
    read.push(piece)
    return piece
  }
  const window = new ForwardWindow(noting, { windowBytes: 500, releasable: true, readsAhead: true })
  const borrowed = await window.read(10, 20)
  await window.read(495, 20)
  expect(Buffer.compare(borrowed, bytes.subarray(10, 30))).toBe(0)
  window.release()
  expect(borrowed).toHaveLength(0)
  await window.moveTo(9000, 0) // far ahead: what was on its way is of no use
  window.close()
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  expect(read.map((piece) => piece.length)).toEqual(read.map(() => 0))
})
