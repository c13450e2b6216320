// The planner as a table: blocks in, what is merged out. Cases after the behaviour of Thanos's planner_test.go.
import { expect, test } from 'vitest'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { defaultRangesMs, groupBlocks, overlappingBlocks, planGroup } from '../../../lib/compact/plan.ts'
import { labelsOf } from '../../../lib/labels/labels.ts'

const rangesMs = [20, 60, 180, 540, 1620]
let serial = 0

interface BlockOptions {
  failed?: boolean
  noCompact?: boolean
  tombstones?: number
  indexBytes?: number
  resolutionMs?: number
  labels?: Record<string, string>
}

function block(minTime: number, maxTime: number, options: BlockOptions = {}): BlockMeta & { noCompact?: boolean } {
  const ulid = String(serial++).padStart(26, '0')
  return {
    ulid,
    minTime,
    maxTime,
    stats: {
      numSamples: 1,
      numSeries: 10,
      numChunks: 1,
      ...(options.tombstones ? { numTombstones: options.tombstones } : {}),
    },
    compaction: { level: 1, sources: [ulid], ...(options.failed ? { failed: true } : {}) },
    thanos: {
      labels: labelsOf(options.labels ?? { cluster: 'a' }),
      resolutionMs: options.resolutionMs ?? 0,
      source: 'test',
      segmentFiles: [],
      files: options.indexBytes ? [{ relPath: 'index', sizeBytes: options.indexBytes }] : [],
      indexStats: {},
      uploadTimeMs: 0,
    },
    ...(options.noCompact ? { noCompact: true } : {}),
  }
}

type Times = [number, number]
const times = (blocks: readonly BlockMeta[]): Times[] => blocks.map((block) => [block.minTime, block.maxTime])

function plan(blocks: ReturnType<typeof block>[], maxIndexBytes = Number.POSITIVE_INFINITY) {
  const noCompact = new Set(blocks.filter((block) => block.noCompact).map((block) => block.ulid))
  return planGroup(blocks, { rangesMs, noCompact, maxIndexBytes })
}

const cases: { name: string; blocks: ReturnType<typeof block>[]; want: Times[] }[] = [
  { name: 'no blocks', blocks: [], want: [] },
  { name: 'one block', blocks: [block(0, 20)], want: [] },
  { name: 'the newest is left out', blocks: [block(0, 20), block(20, 40), block(40, 60)], want: [] },
  {
    name: 'a full range, the newest beside it',
    blocks: [block(0, 20), block(20, 40), block(40, 60), block(60, 80)],
    want: [
      [0, 20],
      [20, 40],
      [40, 60],
    ],
  },
  {
    name: 'a range with a hole that lies before the newest remaining block',
    blocks: [block(0, 20), block(40, 60), block(60, 80), block(80, 100)],
    want: [
      [0, 20],
      [40, 60],
    ],
  },
  {
    name: 'a range that may still be filled waits',
    blocks: [block(0, 20), block(20, 40), block(60, 80)],
    want: [],
  },
  {
    name: 'larger ranges after smaller ones',
    blocks: [block(0, 60), block(60, 120), block(120, 180), block(180, 200)],
    want: [
      [0, 60],
      [60, 120],
      [120, 180],
    ],
  },
  {
    name: 'a block across a border is in no plan',
    blocks: [
      block(0, 20),
      block(20, 40),
      block(50, 70),
      block(80, 100),
      block(100, 120),
      block(120, 140),
      block(140, 160),
    ],
    want: [
      [0, 20],
      [20, 40],
    ],
  },
  {
    name: 'a range with a failed block is left alone',
    blocks: [
      block(0, 20),
      block(20, 40, { failed: true }),
      block(40, 60),
      block(60, 80),
      block(80, 100),
      block(120, 140),
      block(140, 160),
    ],
    want: [
      [60, 80],
      [80, 100],
    ],
  },
  {
    name: 'a no-compact block splits its range',
    blocks: [block(0, 20), block(20, 30), block(30, 40, { noCompact: true }), block(40, 60), block(60, 80)],
    want: [
      [0, 20],
      [20, 30],
    ],
  },
  {
    name: 'a no-compact block may leave nothing to merge',
    blocks: [block(0, 20), block(20, 40, { noCompact: true }), block(40, 60), block(60, 80)],
    want: [],
  },
  {
    name: 'an overlap goes first',
    blocks: [block(0, 20), block(20, 40), block(30, 40), block(40, 50), block(50, 60), block(60, 80), block(80, 100)],
    want: [
      [20, 40],
      [30, 40],
    ],
  },
  {
    name: 'an overlap goes through others, and may end with the newest',
    blocks: [block(0, 20), block(20, 60), block(30, 40), block(50, 80)],
    want: [
      [20, 60],
      [30, 40],
      [50, 80],
    ],
  },
  {
    name: 'an overlap with a no-compact block is none',
    blocks: [block(0, 20), block(20, 40, { noCompact: true }), block(30, 40)],
    want: [],
  },
  {
    name: 'a large block with many tombstones is rewritten alone',
    blocks: [block(0, 540, { tombstones: 3 }), block(540, 1080)],
    want: [[0, 540]],
  },
  { name: 'a small one is not', blocks: [block(0, 20, { tombstones: 3 }), block(540, 560)], want: [] },
  {
    name: 'times before 1970',
    blocks: [block(-60, -40), block(-40, -20), block(-20, 0), block(0, 20)],
    want: [
      [-60, -40],
      [-40, -20],
      [-20, 0],
    ],
  },
]

test.each(cases)('plan: $name', ({ blocks, want }) => {
  expect(times(plan(blocks).merge)).toEqual(want)
})

test('a plan whose indexes are too large sets the largest aside and plans anew', () => {
  const blocks = [
    block(0, 20, { indexBytes: 10 }),
    block(20, 40, { indexBytes: 90 }),
    block(40, 50, { indexBytes: 10 }),
    block(50, 60, { indexBytes: 10 }),
    block(60, 80),
  ]
  const { merge, tooLarge } = plan(blocks, 100)
  expect(times(tooLarge)).toEqual([[20, 40]])
  expect(times(merge)).toEqual([
    [40, 50],
    [50, 60],
  ])
})

test('overlaps are named, also those with a no-compact mark', () => {
  const blocks = [block(0, 20), block(10, 30, { noCompact: true }), block(30, 40)]
  expect(times(overlappingBlocks(blocks))).toEqual([
    [0, 20],
    [10, 30],
  ])
  expect(times(plan(blocks).overlapping)).toEqual([
    [0, 20],
    [10, 30],
  ])
})

test('downsampled blocks that overlap are to be marked', () => {
  const blocks = [block(0, 20, { resolutionMs: 300_000 }), block(10, 20, { resolutionMs: 300_000 })]
  const { merge, downsampledOverlap } = plan(blocks)
  expect([times(merge), times(downsampledOverlap)]).toEqual([[], times(blocks)])
})

test('groups are by external labels and resolution', () => {
  const groups = groupBlocks([
    block(20, 40),
    block(0, 20),
    block(0, 20, { resolutionMs: 300_000 }),
    block(0, 20, { labels: { cluster: 'b' } }),
  ])
  expect(groups.map((group) => times(group.blocks))).toEqual([
    [
      [0, 20],
      [20, 40],
    ],
    [[0, 20]],
    [[0, 20]],
  ])
})

test("the default ranges are Thanos's", () => {
  expect(defaultRangesMs.map((range) => range / 3_600_000)).toEqual([1, 2, 8, 48, 336])
})
