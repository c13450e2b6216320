// What deduplication leaves out where a replica goes away: docs/faults.md tells it, and Thanos's rule makes it so.
// Subject: lib/storeapi/dedup.ts, lib/dedup/walk.ts. Owns no state.
import { expect, test } from 'vitest'
import { walkPenalty } from '../../../lib/dedup/walk.ts'
import { splitLanes } from '../../../lib/storeapi/dedup.ts'

interface MadeChunk {
  readonly times: readonly number[]
  readonly minTime: number
  readonly maxTime: number
}

/** A chunk scraped each second at `phaseMs`, within [fromS, toS). */
function chunk(fromS: number, toS: number, phaseMs: number): MadeChunk {
  const times: number[] = []
  for (let timeMs = fromS * 1000 + phaseMs; timeMs < toS * 1000; timeMs += 1000) times.push(timeMs)
  return { times, minTime: times[0]!, maxTime: times.at(-1)! }
}

/** The widest hole, ms, where one replica goes away at `goneS` and comes back after 45 s; the other's chunks end each 20 s. */
function widestHole(goneS: number): number {
  const chunks = [chunk(0, goneS, 100), chunk(0, 20, 623), chunk(20, 40, 623), chunk(40, 60, 623), chunk(45, 60, 100)]
  const lanes = splitLanes(chunks.sort((a, b) => a.minTime - b.minTime)).map((lane) =>
    lane.flatMap(({ times }) => times),
  )
  expect(lanes).toHaveLength(2)
  const [a, b] = [lanes[0]!, lanes[1]!]
  const taken: number[] = []
  walkPenalty(a, b, { takeA: (i) => taken.push(a[i]!), takeB: (i) => taken.push(b[i]!) })
  return Math.max(...taken.slice(1).map((time, i) => time - taken[i]!))
}

test.each([5, 8, 12, 14, 15, 22])('gone at %d s: a change of sides leaves out less than three scrapes', (goneS) => {
  expect(widestHole(goneS)).toBeLessThanOrEqual(3000)
})

test.each([
  [16, 4000],
  [17, 5000],
  [18, 6000],
])('gone at %d s, just before a chunk of the other ends at 20 s: a second change leaves out more', (goneS, holeMs) => {
  expect(widestHole(goneS)).toBe(holeMs)
})
