// The planner against Thanos's over a table of block layouts: the same blocks merged, the same blocks set aside, for the
// same reasons. The table was made by Thanos's own planner; see test/golden/plans/README.md.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { defaultRangesMs, planGroup } from '../../../lib/compact/plan.ts'
import { metaOf, ulidOf } from '../../support/block-metas.ts'
import { goldenPath } from '../../support/golden.ts'

interface Case {
  readonly resolutionMs: number
  readonly maxIndexBytes: number
  readonly blocks: readonly {
    readonly minTime: number
    readonly maxTime: number
    readonly noCompact?: boolean
    readonly failed?: boolean
    readonly tombstones?: number
    readonly indexBytes: number
  }[]
  /** Numbers of blocks, from 0. */
  readonly plan: readonly number[]
  readonly indexSizeExceeding: readonly number[]
  readonly downsampleVerticalCompaction: readonly number[]
}

const cases = gunzipSync(readFileSync(goldenPath('plans', 'plans.jsonl.gz')))
  .toString()
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Case)

function metasOf({ blocks, resolutionMs }: Case): BlockMeta[] {
  return blocks.map(({ minTime, maxTime, failed, tombstones = 0, indexBytes }, i) => {
    const compaction = failed ? { failed } : {}
    const thanos = { resolutionMs, files: [{ relPath: 'index', sizeBytes: indexBytes }] }
    const meta = metaOf({ ulid: ulidOf(i), minTime, maxTime, compaction, thanos })
    return { ...meta, stats: { ...meta.stats, numSeries: 10, numTombstones: tombstones } }
  })
}

test('each layout of the table gets the plan that Thanos makes of it', () => {
  expect(cases.length).toBeGreaterThan(500)
  for (const [number, one] of cases.entries()) {
    const metas = metasOf(one)
    const numberOf = new Map(metas.map(({ ulid }, i) => [ulid, i]))
    const noCompact = new Set(metas.filter((_, i) => one.blocks[i]!.noCompact).map(({ ulid }) => ulid))
    const tooLarge: number[] = []
    const downsampled: number[] = []
    // A plan that sets blocks aside is made anew without them, here by the compactor's next look.
    let plan = planGroup(metas, { rangesMs: defaultRangesMs, noCompact, maxIndexBytes: one.maxIndexBytes })
    for (;;) {
      for (const { ulid } of plan.tooLarge) tooLarge.push(numberOf.get(ulid)!)
      for (const { ulid } of plan.downsampledOverlap) downsampled.push(numberOf.get(ulid)!)
      for (const { ulid } of [...plan.tooLarge, ...plan.downsampledOverlap]) noCompact.add(ulid)
      if (plan.merge.length > 0 || plan.tooLarge.length + plan.downsampledOverlap.length === 0) break
      plan = planGroup(metas, { rangesMs: defaultRangesMs, noCompact, maxIndexBytes: one.maxIndexBytes })
    }
    expect(
      {
        plan: plan.merge.map(({ ulid }) => numberOf.get(ulid)),
        indexSizeExceeding: tooLarge.sort((a, b) => a - b),
        downsampleVerticalCompaction: downsampled.sort((a, b) => a - b),
      },
      `layout ${number}: ${JSON.stringify(one)}`,
    ).toEqual({
      plan: one.plan,
      indexSizeExceeding: one.indexSizeExceeding,
      downsampleVerticalCompaction: one.downsampleVerticalCompaction,
    })
  }
})
