// A damaged block among good ones, through the whole compactor and a store: the good ones are merged and served with
// every sample, nobody is told a wrong one, the damaged block is named, and expires. CI takes 60 cases, NIGHTLY=1 3,000.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import { deduplicateFilter } from '../../../lib/blocks/filters.ts'
import { ignoreDeletionMarkFilter } from '../../../lib/blocks/mark-filters.ts'
import { readMark } from '../../../lib/blocks/markers.ts'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { formatLabels } from '../../../lib/labels/labels.ts'
import type { Bucket } from '../../../lib/objstore/bucket.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { SeriesReader } from '../../../lib/storeapi/dedup.ts'
import { mergeSeries } from '../../../lib/storeapi/merge.ts'
import { aggr } from '../../../lib/storeapi/types.ts'
import { copyOf, hourMs, twoHours } from '../../support/crash-scenarios.ts'
import { damageFrame, mutate } from '../../support/fuzz.ts'
import { indexFrames } from '../../support/index-frames.ts'
import { putMadeBlock } from '../../support/made-blocks.ts'
import { isNightly } from '../../support/nightly.ts'
import { Random, seed } from '../../support/random.ts'
import { compactorOver } from '../../support/test-compactor.ts'
import { openTestStore } from '../../support/test-store.ts'

const cases = isNightly ? 3000 : 60
const signal = new AbortController().signal
const kernels = createKernels()

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'hostile-blocks-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A range to fill and a block after it, in two groups; one of the first group's blocks is the victim. */
async function fill(bucket: Bucket): Promise<BlockMeta[]> {
  const metas: BlockMeta[] = []
  for (const g of ['1', '2'])
    for (const hour of [0, 2, 4, 6, 8])
      metas.push(await putMadeBlock(bucket, twoHours(hour, { externalLabels: ['g', g] })))
  return metas
}

interface Damage {
  readonly told: string
  /** The bytes' checksums are right, or its meta is another one: what is read of it may be another thing. */
  readonly looksRight: boolean
}

async function damage(bucket: Bucket, { ulid }: BlockMeta, random: Random): Promise<Damage> {
  const file = random.pick(['index', 'index', 'chunks/000001', 'chunks/000001', 'meta.json', 'tombstones'])
  const name = `${ulid}/${file}`
  const put = async (bytes: Uint8Array) => bucket.upload(name, Buffer.from(bytes))
  if (file === 'tombstones') {
    await put(random.bytes(random.below(40)))
    return { told: file, looksRight: false }
  }
  const bytes = await bucket.getRange(name, 0, 1 << 24)
  const way = random.pick(['mutated', 'mutated', 'missing', 'empty', 'a folder', 'behind a checksum', 'edited'])
  switch (way) {
    case 'missing':
      await bucket.delete(name)
      break
    case 'empty':
      await put(new Uint8Array())
      break
    case 'a folder':
      await bucket.delete(name)
      await bucket.upload(`${name}/x`, Buffer.from('x'))
      break
    case 'behind a checksum':
      if (file === 'index') {
        await put(damageFrame(bytes, await indexFrames(bytes), random))
        return { told: `${file} ${way}`, looksRight: true }
      }
      await put(mutate(bytes, random))
      break
    case 'edited':
      if (file === 'meta.json') {
        const { told, text } = edited(Buffer.from(bytes).toString(), random)
        await put(Buffer.from(text))
        return { told: `${file} ${way}: ${told}`, looksRight: true }
      }
      await put(mutate(bytes, random))
      break
    default:
      await put(mutate(bytes, random))
  }
  return { told: `${file} ${way}`, looksRight: file === 'meta.json' }
}

/** What a meta.json that is JSON may say instead: where, and what; without a value nothing. */
const edits: readonly (readonly [path: string, value?: unknown])[] = [
  ['minTime', 7 * hourMs],
  ['maxTime', hourMs],
  ['maxTime', 100 * hourMs],
  ['maxTime', 2 ** 62],
  ['stats', {}],
  ['stats.numSamples', 1e15],
  ['compaction.level', 99],
  ['compaction.sources'],
  ['compaction'],
  ['compaction.failed', true],
  ['thanos'],
  ['thanos.labels', {}],
  ['thanos.downsample.resolution', 7],
  ['thanos.downsample.resolution', 300_000],
  ['thanos.files'],
  ['thanos.files', [{ rel_path: 'index', size_bytes: 1 }]],
  ['thanos.segment_files', ['000001', '000002']],
  ['version', 2],
  ['ulid', '01ARZ3NDEKTSV4RRFFQ69G5FAV'],
  ['ulid', '01arz3ndektsv4rrffq69g5fav'],
  ['thanos.index_stats', { series_max_size: 1, chunk_max_size: 1 }],
  ['thanos.index_stats', { series_max_size: 2 ** 50, chunk_max_size: 2 ** 50 }],
]

function edited(text: string, random: Random): { told: string; text: string } {
  const [path, value] = random.pick(edits)
  const last = path.slice(path.lastIndexOf('.') + 1)
  const meta = JSON.parse(text)
  let at = meta
  for (const name of path.split('.').slice(0, -1)) at = at[name]
  if (value === undefined) delete at[last]
  else at[last] = value
  return { told: `${path} ${JSON.stringify(value)}`, text: JSON.stringify(meta) }
}

async function served(bucket: Bucket): Promise<{ lines: string[]; warnings: string[] }> {
  const filters = [ignoreDeletionMarkFilter(-1, { bucket }), deduplicateFilter()]
  const store = await openTestStore(bucket, { filters })
  const warnings: string[] = []
  const lines: string[] = []
  const range = { minTime: 0, maxTime: Number.MAX_SAFE_INTEGER }
  const request = {
    ...range,
    matchers: [{ type: '=~', name: '__name__', value: '.*' }] as const,
    aggregates: [aggr.raw],
    maxResolutionWindow: 0,
  }
  const reader = new SeriesReader(kernels)
  const columns = kernels.columns()
  try {
    for await (const { labels, chunks } of mergeSeries(
      [{ store: 'test', open: (signal) => store.api.series(request, signal) }],
      { partialResponse: true, responseTimeoutMs: 0, onWarning: (warning) => warnings.push(warning), signal },
    )) {
      columns.clear()
      reader.read(chunks, range, 'chain', { columns, histograms: [] })
      const values = columns.values()
      lines.push(...Array.from(columns.times(), (time, i) => `${formatLabels(labels)} ${time} ${values[i]}`))
    }
    return { lines: lines.sort(), warnings }
  } finally {
    columns.free()
    reader.free()
    await store.close()
  }
}

test(`one damaged block (SEED=${seed})`, { timeout: isNightly ? 3_600_000 : 120_000 }, async () => {
  const random = new Random(seed)
  const whole = new MemoryBucket()
  const metas = await fill(whole)
  const all = (await served(whole)).lines
  for (let n = 0; n < cases; n++) {
    const bucket = await copyOf(whole)
    const victim = metas[random.below(5)]!
    const { told, looksRight } = await damage(bucket, victim, random)
    const when = `SEED=${seed}, case ${n}: ${told} of ${victim.ulid}`
    const others = await copyOf(whole)
    for await (const { name } of others.list(`${victim.ulid}/`, { recursive: true })) await others.delete(name)
    const least = (await served(others)).lines
    try {
      const round = await compactorOver(bucket, { workFolder: path.join(folder, 'work') }).run(signal)
      const { lines, warnings } = await served(bucket)
      const seen = new Set(lines)
      expect(seen.size, when).toBe(lines.length)
      for (const line of least) if (!seen.has(line)) expect.fail(`${when}: lost ${line}`)
      if (!looksRight) {
        const right = new Set(all)
        for (const line of lines) if (!right.has(line)) expect.fail(`${when}: made up ${line}`)
      }
      const { metas: left, partial, unsupported } = await new MetaFetcher({ bucket }).fetch()
      const isThere = left.has(victim.ulid) && !(await readMark(bucket, victim.ulid, 'deletion'))
      const mark = await readMark(bucket, victim.ulid, 'no-compact')
      // One that says it is downsampled has no raw samples, and no reader looks for them.
      const saysDownsampled = (left.get(victim.ulid)?.thanos.resolutionMs ?? 0) > 0
      // An index whose checksums are right may know less of a series than there is, and nothing tells.
      const knowsLess = told === 'index behind a checksum'
      if (lines.length < all.length && !saysDownsampled && !knowsLess) {
        const named =
          partial.has(victim.ulid) ||
          unsupported.has(victim.ulid) ||
          (isThere && warnings.some((warning) => warning.includes(victim.ulid))) ||
          (isThere && mark !== undefined)
        expect(named, `${when}: less, and no word of it: ${warnings} ${round.error}`).toBe(true)
      }
      if (mark) {
        expect(mark.details, when).not.toBe('')
        expect(round.setAside.has(victim.ulid), when).toBe(true)
      }
      if (!looksRight) expect(round.failures.size, `${when}: ${round.error}`).toBe(0)
      // The other group is done.
      const groupTwo = [...left.values()].filter(({ thanos }) => thanos.labels[1] === '2')
      expect(
        groupTwo.filter(({ compaction }) => compaction.level === 2),
        when,
      ).toHaveLength(1)

      const later = compactorOver(bucket, {
        workFolder: path.join(folder, 'work'),
        nowMs: Date.now() + 500 * 365 * 24 * hourMs,
        deleteDelayMs: 0,
        retention: { rawMs: hourMs, fiveMinutesMs: hourMs, oneHourMs: hourMs },
      })
      await later.run(signal)
      const rest = await new MetaFetcher({ bucket }).fetch()
      for (const [ulid, meta] of rest.metas)
        if (meta.thanos.resolutionMs !== 7 && meta.maxTime < 2 ** 50 && !(await readMark(bucket, ulid, 'deletion')))
          expect.fail(`${when}: ${ulid} does not expire`)
    } catch (error) {
      throw new Error(when, { cause: error })
    }
  }
})

test(`one damaged block that is to be downsampled (SEED=${seed})`, {
  timeout: isNightly ? 3_600_000 : 120_000,
}, async () => {
  const random = new Random(seed)
  const whole = new MemoryBucket()
  const [victim] = await Promise.all(
    ['1', '2'].map((g) => putMadeBlock(whole, twoHours(0, { maxTime: 48 * hourMs, externalLabels: ['g', g] }))),
  )
  /** The chunks of what a round makes of each group's block. */
  const downsampled = async (bucket: Bucket) => {
    const round = await compactorOver(bucket, { workFolder: path.join(folder, 'work') }).run(signal)
    const { metas, partial, unsupported } = await new MetaFetcher({ bucket }).fetch()
    const made = [...metas.values()].filter(({ thanos }) => thanos.source === 'compactor')
    const chunksOf = async (g: string) => {
      const block = made.find(({ thanos }) => thanos.labels[1] === g)
      return block && Buffer.from(await bucket.getRange(`${block.ulid}/chunks/000001`, 0, 1 << 24)).toString('hex')
    }
    const isNamed = partial.has(victim!.ulid) || unsupported.has(victim!.ulid) || round.setAside.has(victim!.ulid)
    return { first: await chunksOf('1'), second: await chunksOf('2'), isNamed }
  }
  const undisturbed = await downsampled(await copyOf(whole))
  for (let n = 0; n < cases / 2; n++) {
    const bucket = await copyOf(whole)
    const { told, looksRight } = await damage(bucket, victim!, random)
    const when = `SEED=${seed}, case ${n}: ${told}`
    const { first, second, isNamed } = await downsampled(bucket)
    expect(second, when).toBe(undisturbed.second)
    if (looksRight) continue
    if (first !== undefined) expect(first, when).toBe(undisturbed.first)
    else expect(isNamed, when).toBe(true)
  }
})
