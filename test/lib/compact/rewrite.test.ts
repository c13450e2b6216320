// Rewriting a block: what is left is what a plain model says, sample by sample.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { formatMeta } from '../../../lib/blocks/meta-format.ts'
import { uploadBlock } from '../../../lib/blocks/upload.ts'
import { type BlockRewrite, BlockRewriter } from '../../../lib/compact/rewrite.ts'
import { formatLabels, type Labels, labelValue } from '../../../lib/labels/labels.ts'
import { parseRelabelConfig } from '../../../lib/labels/relabel.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { parseDeletions } from '../../../services/tools/rewrite-config.ts'
import { metaOf } from '../../support/block-metas.ts'
import { type MadeSeries, putMadeBlock, viewOf } from '../../support/made-blocks.ts'

const signal = new AbortController().signal
const root = await mkdtemp(path.join(tmpdir(), 'mnemo-rewrite-'))
afterAll(() => rm(root, { recursive: true }))

const series: MadeSeries[] = ['a', 'b', 'c', 'd'].flatMap((job) =>
  ['1', '2'].map((n) => ({
    labels: ['__name__', 'up', 'job', job, 'n', n],
    samples: Array.from({ length: 300 }, (_, i): [number, number] => [1000 * i + Number(n), i]),
  })),
)
let bucket: MemoryBucket
let meta: BlockMeta

beforeAll(async () => {
  bucket = new MemoryBucket()
  meta = await putMadeBlock(bucket, { minTime: 0, maxTime: 301_000, series })
})

const rewriteOf = (deletions: string, relabels: string): BlockRewrite => ({
  deletions: parseDeletions(deletions),
  relabels: parseRelabelConfig(relabels, { what: 'the rules' }),
})

let number = 0

/** The samples of the new block, and what the change log says. */
async function rewritten(rewrite: BlockRewrite): Promise<{ lines: string[]; log: string[]; changes: number }> {
  const log: string[] = []
  const rewriter = await BlockRewriter.open(bucket, meta, { rewrite, signal })
  const changes = await rewriter.plan({
    deleted: (labels, intervals) => log.push(`deleted ${formatLabels(labels)} ${JSON.stringify(intervals)}`),
    relabelled: (from, to) => log.push(`relabelled ${formatLabels(from)} ${formatLabels(to)}`),
  })
  const fresh = metaOf({ minTime: 0, maxTime: 301_000 })
  const folder = path.join(root, String(number++))
  const { stats } = await rewriter.write(folder, (contents) => formatMeta({ ...fresh, stats: contents.stats }))
  if (stats.numSamples === 0) return { lines: [], log, changes }
  const target = new MemoryBucket()
  await uploadBlock(target, folder, { ...fresh, stats })
  return { lines: await viewOf(target), log, changes }
}

/** The same by the plainest means. */
function model(change: (labels: Labels, timeMs: number) => Labels | undefined): string[] {
  const lines = new Set<string>()
  for (const { labels, samples } of series)
    for (const [timeMs, value] of samples) {
      const to = change(labels, timeMs)
      if (to) lines.add(`{replica="a"} ${formatLabels(to)} ${timeMs} ${value}`)
    }
  return [...lines].sort()
}

const job = (labels: Labels) => labelValue(labels, 'job')

test('whole series; several requests; a label that is not there matches nothing', async () => {
  const { lines, log, changes } = await rewritten(
    rewriteOf(`[{matchers: 'up{job="a"}'}, {matchers: '{job=~"b|c", n="1"}'}, {matchers: '{none!="x"}'}]`, ''),
  )
  expect(lines).toEqual(
    model((labels) =>
      job(labels) === 'a' || ('bc'.includes(job(labels)) && labels.at(-1) === '1') ? undefined : labels,
    ),
  )
  expect(changes).toBe(4)
  expect(log[0]).toBe('deleted {__name__="up", job="a", n="1"} [{"minTime":1,"maxTime":299001}]')
})

test('times: inside chunks, over several chunks, beyond the block', async () => {
  const yaml = `[{matchers: '{job="a"}', intervals: [{mint: 50000, maxt: 60000}, {mint: 110000, maxt: 250000}]}, {matchers: '{job="b"}', intervals: [{mint: -9223372036854775808, maxt: 100001}]}, {matchers: '{job="c"}', intervals: [{mint: 500000, maxt: 600000}]}]`
  const { lines, changes } = await rewritten(rewriteOf(yaml, ''))
  const isDeleted = (labels: Labels, t: number) =>
    (job(labels) === 'a' && ((t >= 50_000 && t <= 60_000) || (t >= 110_000 && t <= 250_000))) ||
    (job(labels) === 'b' && t <= 100_001)
  expect(lines).toEqual(model((labels, t) => (isDeleted(labels, t) ? undefined : labels)))
  expect(changes).toBe(4)
})

test('relabelled: in their new order, merged where they become equal; then deleted by the new labels', async () => {
  const relabel =
    '[{source_labels: [job], regex: (a|b), target_label: job, replacement: z}, {action: drop, source_labels: [job], regex: c}]'
  const { lines, log } = await rewritten(rewriteOf(`[{matchers: '{job="z", n="2"}'}]`, relabel))
  const moved = (labels: Labels) => (job(labels) === 'd' ? labels : ['__name__', 'up', 'job', 'z', 'n', labels.at(-1)!])
  expect(lines).toEqual(
    model((labels) =>
      job(labels) === 'c' || (job(labels) !== 'd' && labels.at(-1) === '2') ? undefined : moved(labels),
    ),
  )
  expect(log).toContain('relabelled {__name__="up", job="a", n="1"} {__name__="up", job="z", n="1"}')
  const merged = await rewritten(rewriteOf('', '[{action: labeldrop, regex: job|n}]'))
  expect(merged.lines).toEqual(model((labels) => labels.slice(0, 2)))
  expect(merged.changes).toBe(8)
})

test('nothing left, nothing changed', async () => {
  expect(await rewritten(rewriteOf(`[{matchers: '{__name__=~".+"}'}]`, ''))).toMatchObject({ lines: [], changes: 8 })
  expect(await rewritten(rewriteOf(`[{matchers: '{job="x"}'}]`, ''))).toMatchObject({ changes: 0, log: [] })
})

test.each([
  ['a: b', 'got no list'],
  ['[x]', 'request 1: got "x", want a mapping'],
  ['[{intervals: []}]', 'got no matchers'],
  ["[{matchers: '{a='}]", 'request 1: matchers {a='],
  ['[{matchers: \'{a="b"}\', intervals: [{mint: 5, maxt: 4}]}]', 'want mint and maxt'],
  ['[{matchers: \'{a="b"}\', intervals: [{mint: 5}]}]', 'want mint and maxt'],
  ['[{matchers: \'{a="b"}\', interval: []}]', 'unknown key interval'],
  ['[', 'no YAML'],
])('deletions %s are refused', (yaml, want) => {
  expect(() => parseDeletions(yaml)).toThrow(want)
})
