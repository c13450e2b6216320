// Tombstones: the bytes of Prometheus's file, intervals joined, int64's extremes.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import {
  decodeTombstones,
  encodeTombstones,
  joinIntervals,
  readTombstones,
  writeTombstones,
} from '../../../lib/tsdb/tombstones.ts'
import { goldenBlock } from '../../support/golden.ts'

const folder = mkdtempSync(join(tmpdir(), 'mnemo-tombstones-'))
afterAll(() => rmSync(folder, { recursive: true }))

test.each(['blocks/floats', 'blocks/tombstones'])('%s written again is the same file', async (name) => {
  const path = join(goldenBlock(name).folder, 'tombstones')
  const tombstones = await readTombstones(path)
  const again = join(folder, 'tombstones')
  const size = await writeTombstones(again, tombstones)
  expect(readFileSync(again).equals(readFileSync(path))).toBe(true)
  expect(size).toBe(readFileSync(path).length)
})

test('a missing file is no tombstones', async () => {
  expect(await readTombstones(join(folder, 'none'))).toEqual(new Map())
})

test.each<[string, [number, number][], [number, number][]]>([
  [
    'apart',
    [
      [5, 6],
      [1, 2],
    ],
    [
      [1, 2],
      [5, 6],
    ],
  ],
  [
    'touching',
    [
      [1, 2],
      [3, 4],
    ],
    [[1, 4]],
  ],
  [
    'overlapping',
    [
      [1, 10],
      [5, 12],
    ],
    [[1, 12]],
  ],
  [
    'inside',
    [
      [1, 10],
      [5, 6],
    ],
    [[1, 10]],
  ],
])('intervals: %s', (_, intervals, want) => {
  const made = joinIntervals(intervals.map(([minTime, maxTime]) => ({ minTime, maxTime })))
  expect(made).toEqual(want.map(([minTime, maxTime]) => ({ minTime, maxTime })))
})

test('all time survives as the widest safe interval', () => {
  const all = { minTime: -Number.MAX_SAFE_INTEGER, maxTime: Number.MAX_SAFE_INTEGER }
  const tombstones = new Map([[2 ** 32 - 1, [all]]])
  expect(decodeTombstones(encodeTombstones(tombstones), 'f')).toEqual(tombstones)
})

test('any byte flipped, and any cut, is corrupt', () => {
  const path = join(goldenBlock('blocks/tombstones').folder, 'tombstones')
  const whole = readFileSync(path)
  for (let at = 0; at < whole.length; at++) {
    const bytes = Buffer.from(whole)
    bytes[at]! ^= 1 << (at % 8)
    expect(() => decodeTombstones(bytes, path)).toThrow(expect.objectContaining({ code: 'corrupt' }))
    const cut = whole.subarray(0, at)
    expect(() => decodeTombstones(cut, path)).toThrow(expect.objectContaining({ code: 'corrupt' }))
  }
})
