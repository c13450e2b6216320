// The compactor's round over a bucket: compaction, downsampling, retention, cleaning, until nothing is left to do.
// Order: Thanos cmd/thanos/compact.go; but where compaction has a backlog the rest does not wait for its end.
// Owns the round; a block or a group that fails does not hold up the others.
import { join } from 'node:path'
import type { MetaFetcher } from '../blocks/fetcher.ts'
import type { DeduplicateFilter } from '../blocks/filters.ts'
import type { MarkFilter } from '../blocks/mark-filters.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import type { UploadOptions } from '../blocks/upload.ts'
import { asMnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from '../objstore/bucket.ts'
import type { OverlapFunction } from '../tsdb/overlap.ts'
import { BlockChanges } from './block-changes.ts'
import { BlockSync, type BucketView } from './block-sync.ts'
import { Cleaner } from './cleaner.ts'
import { type DownsampleNeed, planDownsampling } from './downsample-plan.ts'
import { Downsampling } from './downsampling.ts'
import { GroupCompaction } from './group-compaction.ts'
import type { RunJob } from './job.ts'
import type { CompactMetrics } from './metrics.ts'
import { expiredBlocks, expiresAnything, type Retention } from './retention.ts'
import { Round } from './round.ts'

export interface CompactorOptions {
  readonly bucket: Bucket
  /** Must list the four filters below. */
  readonly fetcher: MetaFetcher
  readonly deletionMarks: MarkFilter
  readonly duplicates: DeduplicateFilter
  readonly noCompactMarks: MarkFilter
  readonly noDownsampleMarks: MarkFilter
  readonly runJob: RunJob
  /** For blocks being written; emptied at start. */
  readonly workFolder: string
  /** How new blocks are uploaded. */
  readonly upload?: Pick<UploadOptions, 'concurrency' | 'hashFunc'>
  /** What blocks being written may take of the disk together, about; 0 or none: no limit. */
  readonly diskLimitBytes?: number
  readonly rangesMs: readonly number[]
  readonly maxIndexBytes: number
  /** What becomes of samples that blocks of one group share. */
  readonly overlap: OverlapFunction
  readonly deleteDelayMs: number
  readonly retention: Retention
  /** False: nothing is downsampled, and raw blocks expire all the same. */
  readonly downsampling: boolean
  /** Groups side by side. */
  readonly concurrency: number
  /** Blocks downsampled side by side. */
  readonly downsampleConcurrency: number
  readonly logger: Logger
  readonly metrics: CompactMetrics
  readonly now?: () => number
  /** Told of each view of the bucket, as it was read. */
  readonly onView?: (view: BucketView) => void
  /** How often the rest has its turn while compaction goes on. */
  readonly turnMs?: number
}

const defaultTurnMs = 30 * 60_000

export class Compactor {
  readonly #options: CompactorOptions
  readonly #blocks: BlockSync
  readonly #cleaner: Cleaner
  readonly #changes: BlockChanges
  readonly #compaction: GroupCompaction
  readonly #downsampling: Downsampling
  readonly #now: () => number

  constructor(options: CompactorOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    const { metrics, runJob } = options
    const check = async (meta: BlockMeta, signal: AbortSignal) => {
      await runJob({ kind: 'check', meta, spoolPath: join(options.workFolder, `${meta.ulid}.tables`) }, signal)
    }
    this.#changes = new BlockChanges({ ...options, check, now: this.#now })
    this.#cleaner = new Cleaner({ ...options, now: this.#now })
    this.#blocks = new BlockSync({ ...options, changes: this.#changes, cleaner: this.#cleaner, metrics })
    this.#compaction = new GroupCompaction({ ...options, blocks: this.#blocks, changes: this.#changes })
    this.#downsampling = new Downsampling({
      ...options,
      changes: this.#changes,
      concurrency: options.downsampleConcurrency,
    })
  }

  /** Empties the work folder, and throws where nothing can be written there. Not while a round runs. */
  prepare(): Promise<void> {
    return this.#changes.prepareWorkFolder()
  }

  /** A whole round; what failed and what was set aside is told by what it returns. Throws where the disk takes nothing, and on abort. */
  async run(signal: AbortSignal): Promise<Round> {
    const round = new Round()
    await this.prepare()
    // What has expired need not be compacted.
    if (expiresAnything(this.#options.retention))
      await this.#attempt('retention', round, signal, () => this.#expire(signal))
    for (let isIdle = false; !isIdle; ) isIdle = (await this.#workDown(round, signal)) === 0
    if (round.failures.size === 0) this.#options.metrics.iterations.inc()
    return round
  }

  /** Deletes what is to go, without compacting; may be called while a round runs. */
  async clean(signal: AbortSignal): Promise<void> {
    const { partial } = await this.#blocks.sync(signal)
    await this.#cleaner.deletePartial(partial.values(), signal)
  }

  /** Compacts until no group has a plan left, with the rest in between and at the end; how many blocks were downsampled. */
  async #workDown(round: Round, signal: AbortSignal): Promise<number> {
    const compacting = this.#attempt('compaction', round, signal, () => this.#compaction.run(round, signal))
    let downsampled = 0
    try {
      for (let isLast = false; !isLast; ) {
        isLast = await endsWithin(compacting, this.#options.turnMs ?? defaultTurnMs)
        await this.#attempt('downsampling', round, signal, async () => {
          downsampled += await this.#downsample(round, signal)
        })
        await this.#attempt('retention', round, signal, () => this.#expire(signal))
      }
    } finally {
      await compacting
    }
    return downsampled
  }

  /** What fails is for the next round; the rest goes on. */
  async #attempt(what: string, round: Round, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    try {
      await work()
      round.succeeded(what)
    } catch (error) {
      signal.throwIfAborted()
      round.failed(what, asMnemoError(error))
      this.#options.logger.error({ err: error }, `${what} failed: it is tried again next time`)
    }
  }

  /** Twice, so that what has just reached 5 minutes reaches an hour; how many blocks came of it. */
  async #downsample(round: Round, signal: AbortSignal): Promise<number> {
    let made = 0
    for (const _pass of this.#options.downsampling ? [1, 2] : [])
      made += await this.#downsampling.run(this.#needs(await this.#blocks.sync(signal)), round, signal)
    return made
  }

  #needs({ metas, noDownsampleMarks, deletionMarks }: BucketView): DownsampleNeed[] {
    return planDownsampling(metas.values(), {
      retention: this.#options.retention,
      nowMs: this.#now(),
      noDownsample: new Set([...noDownsampleMarks.keys(), ...this.#downsampling.empty]),
      deleted: new Set(deletionMarks.keys()),
    })
  }

  /** Marks what has expired and takes uploads out that were never finished. A block that is still to be downsampled stays. */
  async #expire(signal: AbortSignal): Promise<void> {
    const { retention, downsampling } = this.#options
    const view = await this.#blocks.sync(signal)
    const needed = new Set((downsampling ? this.#needs(view) : []).map(({ meta }) => meta.ulid))
    for (const { ulid } of expiredBlocks(view.metas.values(), retention, this.#now()))
      if (!needed.has(ulid))
        await this.#changes.mark(ulid, 'deletion', { details: 'block exceeding retention', signal })
    await this.#cleaner.deletePartial(view.partial.values(), signal)
  }
}

/** Whether the work ends within the time; its failure is its caller's. */
async function endsWithin(work: Promise<void>, limitMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), limitMs)
  try {
    const ended = () => true
    return await Promise.race([work.then(ended, ended), promise])
  } finally {
    clearTimeout(timer)
  }
}
