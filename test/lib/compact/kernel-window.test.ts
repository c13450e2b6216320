// A source in kernel memory, a part of it at hand: bytes are the source's, read once each and ahead, freed at once; failures are told
// when they are met. Subject: lib/compact/kernel-window.ts.
import { expect, test } from 'vitest'
import { KernelWindow } from '../../../lib/compact/kernel-window.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { NotingSource } from '../../support/noting-source.ts'
import { Random, seed } from '../../support/random.ts'

const kernels = createKernels()
const random = new Random(seed)
const bytes = random.bytes(1_000_000)
const signal = new AbortController().signal
const options = { pieceBytes: 100_000, restBytes: 10_000, mostBytes: 300_000 }

const windowOver = (source: NotingSource, end = source.sizeBytes) => new KernelWindow(kernels, { source, end }, options)

/** What is at hand is the source's. */
function check(window: KernelWindow): void {
  const { ptr, start, length } = window.atHand
  expect(Buffer.compare(kernels.u8(ptr, length), bytes.subarray(start, start + length))).toBe(0)
}

const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

test.each([1, 5000, 60_000, 250_000])(`entries of up to %i bytes are there (SEED=${seed})`, async (mostBytes) => {
  const source = new NotingSource(bytes)
  const window = windowOver(source)
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(1 + random.below(mostBytes), bytes.length - at)
    if (window.canMove(at, length)) await window.moveTo(at, length, signal)
    const { start, length: atHand } = window.atHand
    expect(start).toBeLessThanOrEqual(at)
    expect(start + atHand).toBeGreaterThanOrEqual(at + length)
    check(window)
    // Most of them one behind the other.
    at += Math.max(length, mostBytes === 1 ? 999 : 0) + (random.chance(0.05) ? random.below(150_000) : 0)
  }
  window.close()
  await settled()
  expect(source.held()).toBe(0)
})

test('from one end to the other each byte is read once, a piece ahead', async () => {
  const source = new NotingSource(bytes)
  const window = windowOver(source)
  for (let at = 8; at < bytes.length; at += 1000) if (window.canMove(at, 1000)) await window.moveTo(at, 1000, signal)
  expect(source.reads).toEqual(
    Array.from({ length: 10 }, (_, i) => ({ offset: 8 + i * 100_000, length: i < 9 ? 100_000 : 99_992 })),
  )
  window.close()
})

test('what cannot be at hand: what is behind the end, what is too large', async () => {
  const window = windowOver(new NotingSource(bytes), 500_000)
  expect([window.canMove(499_999, 1), window.canMove(499_999, 2), window.canMove(500_000, 1)]).toEqual([
    true,
    false,
    false,
  ])
  expect([window.canMove(0, 300_000), window.canMove(0, 300_001)]).toEqual([true, false])
  await window.moveTo(499_000, 1000, signal)
  expect(window.atHand).toMatchObject({ start: 499_000, length: 1000, isLast: true })
  expect(window.canMove(499_500, 100)).toBe(false)
  window.close()
})

test('a failure to read ahead is told by the move that needs the bytes, and only where it lasts', async () => {
  const passing = new NotingSource(bytes)
  passing.failing.add(1)
  const window = windowOver(passing)
  await window.moveTo(0, 10, signal)
  await window.moveTo(99_995, 10, signal)
  check(window)

  const lasting = new NotingSource(bytes)
  for (let i = 1; i < 10; i++) lasting.failing.add(i)
  const broken = windowOver(lasting)
  await broken.moveTo(0, 10, signal)
  await expect(broken.moveTo(99_995, 10, signal)).rejects.toThrow('failed')
  for (const one of [window, broken]) one.close()
})

/** A source that can be read at once, until it refuses. */
class ReadySource extends NotingSource {
  readonly readsNow: { readonly offset: number; readonly length: number }[] = []
  refusesFrom = Number.POSITIVE_INFINITY

  readNow(offset: number, into: Uint8Array): boolean {
    if (this.readsNow.length >= this.refusesFrom) return false
    this.readsNow.push({ offset, length: into.length })
    into.set(bytes.subarray(offset, offset + into.length))
    return true
  }
}

test('what can be read at once is, each byte once, into all room that there is', async () => {
  const source = new ReadySource(bytes)
  const window = windowOver(source, 999_000)
  for (let at = 8; at < 999_000; at += 1000) {
    if (window.canMove(at, 1000)) await window.moveTo(at, 1000, signal)
    check(window)
  }
  expect(source.reads).toEqual([])
  let next = 8
  for (const { offset, length } of source.readsNow) {
    expect(offset).toBe(next)
    next += length
  }
  expect(next).toBe(999_000)
  expect(window.atHand.isLast).toBe(true)
  window.close()
})

test('where that is refused it is read in pieces, and what fails is told', async () => {
  const source = new ReadySource(bytes)
  source.refusesFrom = 2
  const window = windowOver(source)
  for (let at = 0; at < bytes.length; at += 1000) {
    if (window.canMove(at, 1000)) await window.moveTo(at, 1000, signal)
    check(window)
  }
  expect([source.readsNow.length, source.reads.length > 2]).toEqual([2, true])
  window.close()
  await settled()
  expect(source.held()).toBe(0)

  const broken = new ReadySource(bytes)
  broken.refusesFrom = 0
  broken.failing.add(0)
  await expect(windowOver(broken).moveTo(0, 10, signal)).rejects.toThrow('read 0 failed')
})

test('a thread that never waits for a read lets others in now and then', async () => {
  const window = windowOver(new ReadySource(bytes))
  let isIn = false
  setImmediate(() => {
    isIn = true
  })
  const endMs = performance.now() + 5000
  for (let turn = 0; !isIn && performance.now() < endMs; turn++) await window.moveTo((turn % 9) * 100_000, 1000, signal)
  expect(isIn).toBe(true)
  window.close()
})

test('what is on its way when the window closes, or moves far ahead, is freed when it comes', async () => {
  const source = new NotingSource(bytes)
  const window = windowOver(source)
  await window.moveTo(0, 10, signal)
  await window.moveTo(800_000, 10, signal)
  check(window)
  window.close()
  await settled()
  expect(source.reads.length).toBeGreaterThan(2)
  expect(source.held()).toBe(0)
})
