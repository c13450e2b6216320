// The gate: bounds, order, and who gives up waiting.
// Subject: lib/kit/gate.ts. Owns nothing.
import { expect, test } from 'vitest'
import { Gate } from '../../../lib/kit/gate.ts'

const signal = new AbortController().signal

/** Starts reads of these sizes; `running()` tells which run, `end(i)` ends one. */
function startReads(gate: Gate, sizes: readonly number[], signals: Readonly<Record<number, AbortSignal>> = {}) {
  const ends: (() => void)[] = []
  const running = new Set<number>()
  const results = sizes.map((bytes, i) =>
    gate.run(bytes, signals[i] ?? signal, async () => {
      running.add(i)
      await new Promise<void>((resolve) => {
        ends[i] = resolve
      })
      running.delete(i)
      return i
    }),
  )
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return {
    results,
    async running() {
      await settle()
      return [...running]
    },
    async end(i: number) {
      ends[i]!()
      await results[i]
    },
  }
}

test('no more reads at once than allowed, first come first served', async () => {
  const reads = startReads(new Gate({ maxRunning: 2, maxBytes: 100 }), [1, 1, 1, 1])
  expect(await reads.running()).toEqual([0, 1])
  await reads.end(1)
  expect(await reads.running()).toEqual([0, 2])
  await reads.end(0)
  expect(await reads.running()).toEqual([2, 3])
})

test('no more bytes at once than allowed; a small read does not overtake a large one', async () => {
  const reads = startReads(new Gate({ maxRunning: 9, maxBytes: 100 }), [60, 50, 10])
  expect(await reads.running()).toEqual([0])
  await reads.end(0)
  expect(await reads.running()).toEqual([1, 2])
})

test('a read larger than the bound runs alone', async () => {
  const reads = startReads(new Gate({ maxRunning: 9, maxBytes: 100 }), [500, 1])
  expect(await reads.running()).toEqual([0])
  await reads.end(0)
  expect(await reads.running()).toEqual([1])
})

test('who is aborted while waiting leaves the queue, and those behind move up', async () => {
  const cancel = new AbortController()
  const reads = startReads(new Gate({ maxRunning: 9, maxBytes: 100 }), [60, 90, 10], { 1: cancel.signal })
  expect(await reads.running()).toEqual([0])
  cancel.abort()
  await expect(reads.results[1]).rejects.toMatchObject({ code: 'canceled' })
  expect(await reads.running()).toEqual([0, 2])
})

test('a read that fails gives its place back', async () => {
  const gate = new Gate({ maxRunning: 1, maxBytes: 100 })
  await expect(gate.run(1, signal, () => Promise.reject(new Error('bad')))).rejects.toThrow('bad')
  expect(await gate.run(1, signal, async () => 'next')).toBe('next')
})
