// Random series in random blocks through the whole of the compactor's work: merged one-to-one and by penalty, then downsampled
// to 5 minutes and an hour; every sample and window against what was put in. NIGHTLY=1 runs 10,000 series, CI 500.
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import type { BlockMeta } from '../../../lib/blocks/meta.ts'
import { runJob } from '../../../lib/compact/run-job.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { loadBlock } from '../../support/local-block.ts'
import { isNightly } from '../../support/nightly.ts'
import { Random, seed } from '../../support/random.ts'
import { seriesName, writeWildBlocks } from '../../support/wild-blocks.ts'
import { expectDownsampled, expectOneToOne, expectPenalty } from './models/merged-series.ts'

const cases = isNightly ? 10_000 : 500
const seriesPerRound = 50
const rounds = Array.from({ length: cases / seriesPerRound }, (_, i) => seed + i)

test(`${cases} random series (SEED=${seed})`, { timeout: isNightly ? 3_600_000 : 120_000 }, async () => {
  for (const roundSeed of rounds) await round(roundSeed)
})

async function round(roundSeed: number): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mnemo-wild-'))
  const work = await mkdtemp(path.join(tmpdir(), 'mnemo-work-'))
  const { signal } = new AbortController()
  const bucket = new FilesystemBucket(folder)
  const run = async (job: Compact | Downsample, name: string) => {
    const written = { ulid: name, folder: path.join(work, name) }
    const outcome = await runJob(
      bucket,
      job.kind === 'compact' ? { ...job, inputs, ...written } : { ...job, ...written },
      signal,
    )
    if (outcome.kind !== 'whole') throw new Error(`round ${roundSeed}: ${outcome.reason}`)
    // Its segments are in the bucket.
    const isNoSegment = (file: string) => !/\d{6}$/.test(file)
    await cp(written.folder, path.join(folder, name), { recursive: true, filter: isNoSegment })
    await runJob(bucket, { kind: 'check', meta: outcome.meta, spoolPath: path.join(folder, 'tables') }, signal)
    return { meta: outcome.meta, series: await loadBlock(written.folder) }
  }
  const { inputs, series } = await writeWildBlocks(new Random(roundSeed), { folder, seriesCount: seriesPerRound })
  try {
    const oneToOne = await run({ kind: 'compact', overlap: 'one-to-one', isVerified: true }, 'one-to-one')
    const penalty = await run({ kind: 'compact', overlap: 'penalty', isVerified: false }, 'penalty')
    const fiveMinutes = await run(downsample(oneToOne.meta, 300_000), 'five-minutes')
    const oneHour = await run(downsample(fiveMinutes.meta, 3_600_000), 'one-hour')
    const found = (block: typeof oneToOne, name: string) =>
      block.series.find(({ labels }) => seriesName(labels) === name)?.chunks ?? []
    expect(oneToOne.series.map(({ labels }) => seriesName(labels))).toEqual(series.map(({ name }) => name))
    for (const wild of series) {
      const about = `round SEED=${roundSeed} series ${wild.name}`
      const merged = expectOneToOne(found(oneToOne, wild.name), wild, about)
      expectPenalty(found(penalty, wild.name), wild, about)
      expectDownsampled(found(fiveMinutes, wild.name), merged, { resolutionMs: 300_000, about })
      expectDownsampled(found(oneHour, wild.name), merged, { resolutionMs: 3_600_000, about })
    }
  } finally {
    for (const made of [folder, work]) await rm(made, { recursive: true })
  }
}

interface Compact {
  readonly kind: 'compact'
  readonly overlap: 'one-to-one' | 'penalty'
  readonly isVerified: boolean
}

interface Downsample {
  readonly kind: 'downsample'
  readonly input: BlockMeta
  readonly resolutionMs: number
}

function downsample(input: BlockMeta, resolutionMs: number): Downsample {
  return { kind: 'downsample', input, resolutionMs }
}
