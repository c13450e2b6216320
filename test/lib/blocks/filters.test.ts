// The filters, each over a small bucket: which blocks stay in view.
import { expect, test } from 'vitest'
import { type FetchedBlocks, MetaFetcher, type MetaFilter } from '../../../lib/blocks/fetcher.ts'
import {
  consistencyDelayFilter,
  deduplicateFilter,
  replacedReplicaFilter,
  replicaLabelRemover,
  timeFilter,
} from '../../../lib/blocks/filters.ts'
import { gatherMarksFilter, ignoreDeletionMarkFilter } from '../../../lib/blocks/mark-filters.ts'
import { putMark } from '../../../lib/blocks/markers.ts'
import { parseRelabelRules, relabelFilter } from '../../../lib/blocks/relabel.ts'
import { newUlid } from '../../../lib/blocks/ulid.ts'
import { parseTimeOrDuration } from '../../../lib/kit/flags.ts'
import { createRegistry, type Registry } from '../../../lib/kit/metrics.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { type MetaChanges, metaOf, putMeta, ulidOf } from '../../support/block-metas.ts'

interface FilterRun {
  readonly blocks: readonly MetaChanges[]
  readonly filters: readonly MetaFilter[]
  readonly bucket?: MemoryBucket
  readonly nowMs?: number
  readonly registry?: Registry
}

async function fetchFiltered({ blocks, filters, bucket = new MemoryBucket(), nowMs = 0, registry }: FilterRun) {
  for (const block of blocks) await putMeta(bucket, metaOf(block))
  return new MetaFetcher({ bucket, filters, now: () => nowMs, registry }).fetch()
}

const inView = ({ metas }: FetchedBlocks) => [...metas.keys()].map((ulid) => Number(ulid.slice(10)))
const block = (number: number, changes: MetaChanges = {}): MetaChanges => ({ ulid: ulidOf(number), ...changes })

test('time: both bounds are within, relative ones move', async () => {
  const blocks = [
    block(1, { minTime: 0, maxTime: 999 }),
    block(2, { minTime: 0, maxTime: 1000 }),
    block(3, { minTime: 2000, maxTime: 3000 }),
    block(4, { minTime: 2001, maxTime: 3000 }),
  ]
  const at = (ms: number) => parseTimeOrDuration(new Date(ms).toISOString())
  expect(inView(await fetchFiltered({ blocks, filters: [timeFilter(at(1000), at(2000))] }))).toEqual([2, 3])
  const relative = timeFilter(parseTimeOrDuration('-2s'), parseTimeOrDuration('-1s'))
  expect(inView(await fetchFiltered({ blocks, filters: [relative], nowMs: 3000 }))).toEqual([2, 3])
})

test('consistency delay: by upload time, else by ULID; replacements at once', async () => {
  const nowMs = 10_000_000
  const fresh = nowMs - 100_000
  const registry = createRegistry()
  const thanos = (source: string, uploadTimeMs: number) => ({ thanos: { source, uploadTimeMs } })
  const blocks = [
    block(1, thanos('sidecar', fresh)),
    block(2, thanos('sidecar', nowMs - 200_000)),
    block(3, thanos('compactor', fresh)),
    block(4, thanos('compactor.repair', fresh)),
    block(5, thanos('bucket.repair', fresh)),
    block(6, thanos('bucket.rewrite', fresh)),
    { ulid: `${newUlid(fresh).slice(0, 10)}${'7'.padStart(16, '0')}`, ...thanos('sidecar', 0) },
    { ulid: `${newUlid(nowMs - 200_000).slice(0, 10)}${'8'.padStart(16, '0')}`, ...thanos('sidecar', 0) },
  ]
  const filters = [consistencyDelayFilter(150_000, registry)]
  expect(inView(await fetchFiltered({ blocks, filters, nowMs, registry })).sort()).toEqual([2, 3, 4, 5, 8])
  const metrics = await registry.metrics()
  expect(metrics).toContain('thanos_consistency_delay_seconds 150')
  expect(metrics).toContain('thanos_blocks_meta_synced{state="too-fresh"} 3')
})

test('a block of the future, uploaded by a machine whose clock is ahead: served where there is no delay', async () => {
  const nowMs = 1_700_000_000_000
  const ahead = nowMs + 300_000
  const blocks = [
    block(1, { thanos: { source: 'sidecar', uploadTimeMs: ahead } }),
    { ulid: `${newUlid(ahead).slice(0, 10)}${'2'.padStart(16, '0')}`, thanos: { source: 'sidecar' } } as const,
  ]
  const inViewAfter = async (delayMs: number) =>
    inView(await fetchFiltered({ blocks, filters: [consistencyDelayFilter(delayMs)], nowMs }))
  expect((await inViewAfter(0)).sort()).toEqual([1, 2])
  expect(await inViewAfter(60_000)).toEqual([])
})

test('deletion marks: the marked are remembered, the long marked leave view, the unreadable stay', async () => {
  const bucket = new MemoryBucket()
  const nowMs = 100_000_000
  await putMark(bucket, ulidOf(1), 'deletion', { nowMs: nowMs - 60_000 })
  await putMark(bucket, ulidOf(2), 'deletion', { nowMs: nowMs - 61_000 })
  await bucket.upload(`${ulidOf(3)}/deletion-mark.json`, Buffer.from('{'))
  const filter = ignoreDeletionMarkFilter(60_000, { bucket })
  const fetched = await fetchFiltered({ blocks: [1, 2, 3, 4].map((n) => block(n)), filters: [filter], bucket, nowMs })
  expect(inView(fetched)).toEqual([1, 3, 4])
  expect([...filter.marks.keys()].sort()).toEqual([ulidOf(1), ulidOf(2)])
})

test('vetoes are gathered and take nothing out of view', async () => {
  const bucket = new MemoryBucket()
  await putMark(bucket, ulidOf(1), 'no-compact', { reason: 'index-size-exceeding' })
  await putMark(bucket, ulidOf(2), 'no-downsample')
  const registry = createRegistry()
  const noCompact = gatherMarksFilter('no-compact', { bucket })
  const noDownsample = gatherMarksFilter('no-downsample', { bucket })
  const filters = [noCompact, noDownsample]
  const fetched = await fetchFiltered({ blocks: [1, 2, 3].map((n) => block(n)), filters, bucket, registry })
  expect(inView(fetched)).toEqual([1, 2, 3])
  expect([...noCompact.marks.keys()]).toEqual([ulidOf(1)])
  expect([...noDownsample.marks.keys()]).toEqual([ulidOf(2)])
  expect(await registry.metrics()).toContain('thanos_blocks_meta_synced{state="marked-for-no-compact"} 1')
})

test('duplicates: blocks whose sources are within another one of their group', async () => {
  const sources = (...numbers: number[]) => ({ compaction: { sources: numbers.map(ulidOf) } })
  const filter = deduplicateFilter()
  const blocks = [
    block(1, sources(1)),
    block(2, sources(2)),
    block(3, sources(3)),
    block(10, sources(1, 2)),
    // The same sources: the older ULID stays.
    block(11, sources(1, 2)),
    // Overlapping, neither within the other.
    block(12, sources(2, 4)),
    // The same sources at another resolution, and under other labels.
    block(20, { ...sources(1), thanos: { resolutionMs: 300_000 } }),
    block(21, { ...sources(1), thanos: { labels: ['replica', 'b'] } }),
  ]
  expect(inView(await fetchFiltered({ blocks, filters: [filter] }))).toEqual([3, 10, 12, 20, 21])
  expect(filter.duplicates.toSorted()).toEqual([1, 2, 11].map(ulidOf))
})

test('duplicates: a plain model agrees on random sources', async () => {
  let x = 7
  const random = (n: number) => {
    x = (x * 1103515245 + 12345) % 2147483648
    return x % n
  }
  const sourcesOf = (number: number) => {
    const drawn = Array.from({ length: 1 + random(5) }, () => random(12))
    return [...new Set(random(3) ? drawn : [...drawn, number])].map(ulidOf)
  }
  const blocks = Array.from({ length: 200 }, (_, i) => block(i, { compaction: { sources: sourcesOf(i) } }))
  const filter = deduplicateFilter()
  await fetchFiltered({ blocks, filters: [filter] })
  const sets = blocks
    .map(({ ulid, compaction }) => ({ ulid: ulid!, sources: new Set(compaction?.sources) }))
    .sort((p, q) => q.sources.size - p.sources.size || (p.ulid < q.ulid ? -1 : 1))
  const kept: Set<string>[] = []
  const covered = sets.filter(({ sources }) => {
    if (kept.some((set) => sources.isSubsetOf(set))) return true
    kept.push(sources)
    return false
  })
  expect(filter.duplicates).toEqual(covered.map(({ ulid }) => ulid))
  expect(covered.length).toBeGreaterThan(20)
})

test('replica labels are removed before duplicates are looked for', async () => {
  const registry = createRegistry()
  const labels = (...pairs: string[]) => ({ thanos: { labels: pairs } })
  const blocks = [
    block(1, labels('cluster', 'x', 'replica', 'a')),
    block(2, labels('replica', 'a', 'rule_replica', 'b')),
    block(3, labels('cluster', 'x')),
  ]
  const filters = [replicaLabelRemover(['replica', 'rule_replica'])]
  const { metas } = await fetchFiltered({ blocks, filters, registry })
  expect([...metas.values()].map((meta) => meta.thanos.labels)).toEqual([
    ['cluster', 'x'],
    ['replica', 'deduped'],
    ['cluster', 'x'],
  ])
  expect(await registry.metrics()).toContain('thanos_blocks_meta_modified{modified="replica-label-removed"} 3')
})

test('relabelling: keep and drop by external labels and block id', async () => {
  const blocks = [
    block(1, { thanos: { labels: ['cluster', 'eu', 'replica', 'a'] } }),
    block(2, { thanos: { labels: ['cluster', 'us', 'replica', 'a'] } }),
    block(3, { thanos: { labels: ['cluster', 'us-2'] } }),
  ]
  const keep = async (yaml: string, ...without: string[]) =>
    inView(await fetchFiltered({ blocks, filters: [relabelFilter(parseRelabelRules(yaml), without)] }))
  expect(await keep('')).toEqual([1, 2, 3])
  expect(await keep('[]')).toEqual([1, 2, 3])
  expect(await keep('- {action: keep, source_labels: [cluster], regex: us}')).toEqual([2])
  expect(await keep('- {action: drop, source_labels: [cluster], regex: us.*}')).toEqual([1])
  expect(await keep('- {action: keep, source_labels: [cluster, replica], regex: us;a}')).toEqual([2])
  expect(await keep('- {action: keep, source_labels: [cluster, replica], regex: us;a}', 'replica')).toEqual([])
  expect(await keep(`- {action: keep, source_labels: [__block_id], regex: ${ulidOf(3)}}`)).toEqual([3])
})

test('relabelling: hashmod gives each block to one shard', async () => {
  const blocks = Array.from({ length: 40 }, (_, i) => block(i, { thanos: { labels: ['n', String(i)] } }))
  const shard = async (index: number) => {
    const rules = parseRelabelRules(`
- {action: hashmod, source_labels: [n], target_label: shard, modulus: 3}
- {action: keep, source_labels: [shard], regex: ${index}}`)
    return inView(await fetchFiltered({ blocks, filters: [relabelFilter(rules)] }))
  }
  const shards = [await shard(0), await shard(1), await shard(2)]
  expect(shards.flat().toSorted((p, q) => p - q)).toEqual(blocks.map((_, i) => i))
  for (const each of shards) expect(each.length).toBeGreaterThan(4)
  // The last eight bytes of the MD5 sum of "1".
  expect(shards[Number(0x0dcc509a6f75849bn % 3n)]).toContain(1)
})

test.each([
  ['a: b', 'want a list'],
  ['- {action: replace, source_labels: [a]}', 'got action replace'],
  ['- {source_labels: [a]}', 'got action replace'],
  ['- {action: keep, regex: "("}', 'got regex ('],
  ['- {action: keep, sourcelabels: [a]}', 'unknown key sourcelabels'],
  ['- {action: keep, source_labels: a}', 'want a list of names'],
  ['- {action: hashmod, source_labels: [a], target_label: x}', 'want both modulus and target_label'],
  ['- {action: hashmod, source_labels: [a], modulus: 2}', 'want both modulus and target_label'],
  ['- x', 'want a mapping'],
  ['[', 'no YAML'],
])('the rules %s are refused', (yaml, want) => {
  expect(() => parseRelabelRules(yaml)).toThrow(want)
})

test('replaced replicas: by a block that lacks some of their labels and has all their sources', async () => {
  const of = (labels: readonly string[], sources: string, resolutionMs = 0) => ({
    compaction: { sources: [...sources].map((letter) => ulidOf(letter.charCodeAt(0))) },
    thanos: { labels, resolutionMs },
  })
  const a = ['cluster', 'x', 'replica', 'a']
  const blocks = [
    block(1, of(a, 's')),
    block(2, of(['cluster', 'x', 'replica', 'b'], 't')),
    block(3, of(['cluster', 'x'], 'st')),
    block(4, of(a, 'su')),
    block(5, of(a, 's', 300_000)),
    block(6, of(['cluster', 'y', 'replica', 'a'], 's')),
    block(7, of(['cluster', 'x'], 's')),
  ]
  expect(inView(await fetchFiltered({ blocks, filters: [replacedReplicaFilter()] }))).toEqual([3, 4, 5, 6, 7])
})

test('duplicates: a block that is to be deleted stands in for none that stays', async () => {
  const sources = (...numbers: number[]) => ({ compaction: { sources: numbers.map(ulidOf) } })
  const blocks = [block(1, sources(1)), block(2, sources(2)), block(10, sources(1, 2)), block(11, sources(1))]
  const doomed = new Map([10, 1].map((number) => [ulidOf(number), true]))
  const filter = deduplicateFilter(() => doomed)
  expect(inView(await fetchFiltered({ blocks, filters: [filter] }))).toEqual([2, 10, 11])
  expect(filter.duplicates).toEqual([ulidOf(1)])
})
