// Which blocks are due for downsampling, over tables of metas.
import { expect, test } from 'vitest'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { type DownsampleOptions, planDownsampling } from '../../../lib/compact/downsample-plan.ts'
import { metaOf, ulidOf } from '../../support/block-metas.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const fiveMinutes = 300_000
const oneHour = 3_600_000

interface Made {
  hours: number
  resolutionMs?: number
  sources?: readonly string[]
  labels?: readonly string[]
}

/** Blocks from time 0 on, numbered from 1. */
function blocks(...made: readonly Made[]): BlockMeta[] {
  return made.map(({ hours, resolutionMs = 0, sources = ['s'], labels = ['replica', 'a'] }, i) =>
    metaOf({
      ulid: ulidOf(i + 1),
      maxTime: hours * hourMs,
      compaction: { sources },
      thanos: { resolutionMs, labels },
    }),
  )
}

/** Number and resolution of what is due, and with `!` of what must only not expire. */
function plan(metas: readonly BlockMeta[], changes: Partial<DownsampleOptions> = {}): string[] {
  const none = new Set<string>()
  const retention = { rawMs: 0, fiveMinutesMs: 0, oneHourMs: 0 }
  return planDownsampling(metas, { retention, nowMs: 0, noDownsample: none, deleted: none, ...changes }).map(
    ({ meta, resolutionMs, due }) => `${Number(meta.ulid)} ${resolutionMs / 60_000}m${due ? '' : '!'}`,
  )
}

test('by span: 40 hours to 5 minutes, 10 days to an hour, an hour no further', () => {
  expect(plan(blocks({ hours: 39.9 }, { hours: 40 }))).toEqual(['2 5m'])
  expect(plan(blocks({ hours: 239, resolutionMs: fiveMinutes }, { hours: 240, resolutionMs: fiveMinutes }))).toEqual([
    '2 60m',
  ])
  expect(plan(blocks({ hours: 500, resolutionMs: oneHour }))).toEqual([])
})

test('covered by all its sources at that resolution, of its own labels', () => {
  const raw = { hours: 48, sources: ['s', 't'] }
  const half = { hours: 48, resolutionMs: fiveMinutes, sources: ['s'] }
  expect(plan(blocks(raw, half))).toEqual(['1 5m'])
  expect(plan(blocks(raw, half, { ...half, sources: ['t'] }))).toEqual([])
  expect(plan(blocks(raw, { ...half, sources: ['s', 't'], labels: ['replica', 'b'] }))).toEqual(['1 5m'])
})

test('marked blocks are left alone', () => {
  const metas = blocks({ hours: 48 }, { hours: 50, sources: ['t'] })
  expect(plan(metas, { noDownsample: new Set([ulidOf(1)]) })).toEqual(['2 5m'])
  expect(plan(metas, { deleted: new Set([ulidOf(2)]) })).toEqual(['1 5m'])
})

test('what has expired is due at any span', () => {
  const retention = { rawMs: 40 * hourMs, fiveMinutesMs: 0, oneHourMs: 0 }
  const metas = blocks({ hours: 2 })
  expect(plan(metas, { retention, nowMs: 42 * hourMs })).toEqual([])
  expect(plan(metas, { retention, nowMs: 42 * hourMs + 1 })).toEqual(['1 5m'])
  const coarse = { rawMs: 0, fiveMinutesMs: 10 * dayMs, oneHourMs: 0 }
  expect(plan(blocks({ hours: 48, resolutionMs: fiveMinutes }), { retention: coarse, nowMs: 13 * dayMs })).toEqual([
    '1 60m',
  ])
})

test('nothing is made that would expire at once, unless an hour is to be made of it', () => {
  const metas = blocks({ hours: 48 })
  const nowMs = 100 * dayMs
  expect(plan(metas, { retention: { rawMs: 0, fiveMinutesMs: 10 * dayMs, oneHourMs: 20 * dayMs }, nowMs })).toEqual([])
  expect(plan(metas, { retention: { rawMs: 0, fiveMinutesMs: 10 * dayMs, oneHourMs: 0 }, nowMs })).toEqual(['1 5m'])
  const withHour = blocks({ hours: 48 }, { hours: 48, resolutionMs: oneHour })
  expect(plan(withHour, { retention: { rawMs: 0, fiveMinutesMs: 10 * dayMs, oneHourMs: 0 }, nowMs })).toEqual([])
})

test('a block that only a deleted one covers waits until that is gone', () => {
  const metas = blocks({ hours: 48 }, { hours: 48, resolutionMs: fiveMinutes })
  expect(plan(metas, { deleted: new Set([ulidOf(2)]) })).toEqual(['1 5m!'])
})
