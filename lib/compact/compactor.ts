// The compactor's round over a bucket: until nothing is left to do, sync, delete, plan and merge each group; downsample; expire; clean.
// Order: Thanos cmd/thanos/compact.go. A bad block is set aside by a mark, a group that fails does not hold up the others.
// Owns the order of changes to the bucket: the merged block is whole in it before its inputs are marked, so that a kill at any point loses nothing.
import type { FetchedBlocks, MetaFetcher } from '../blocks/fetcher.ts'
import type { DeduplicateFilter } from '../blocks/filters.ts'
import type { MarkFilter } from '../blocks/mark-filters.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import { forEachBounded } from '../kit/bounded.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { BlockChanges } from './block-changes.ts'
import { Cleaner } from './cleaner.ts'
import { type DownsampleNeed, planDownsampling } from './downsample-plan.ts'
import { Downsampling } from './downsampling.ts'
import type { CompactorJob, JobOutcome } from './job.ts'
import type { CompactMetrics } from './metrics.ts'
import type { OverlapFunction } from './overlap.ts'
import { type BlockGroup, groupBlocks, type Plan, planGroup } from './plan.ts'
import { expiredBlocks, type Retention } from './retention.ts'

export interface CompactorOptions {
  readonly bucket: Bucket
  /** Must list the four filters below. */
  readonly fetcher: MetaFetcher
  readonly deletionMarks: MarkFilter
  readonly duplicates: DeduplicateFilter
  readonly noCompactMarks: MarkFilter
  readonly noDownsampleMarks: MarkFilter
  /** Runs a job, e.g. in a worker thread. */
  readonly runJob: (job: CompactorJob, signal: AbortSignal) => Promise<JobOutcome>
  /** For blocks being written; emptied at start. */
  readonly workFolder: string
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
}

/** Compaction gives way this often: downsampling, retention and cleaning do not wait for a backlog. */
const compactionTurnMs = 3_600_000

export class Compactor {
  readonly #options: CompactorOptions
  readonly #cleaner: Cleaner
  readonly #changes: BlockChanges
  readonly #downsampling: Downsampling
  readonly #now: () => number
  /** Blocks that this version cannot merge with those they overlap: another one may. */
  readonly #unmergeable = new Set<string>()
  /** One thing at a time: a round, or cleaning between rounds. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: CompactorOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#cleaner = new Cleaner({ ...options, now: this.#now })
    const check = async (meta: BlockMeta, signal: AbortSignal) => {
      await options.runJob({ kind: 'check', meta }, signal)
    }
    this.#changes = new BlockChanges({ ...options, check, now: this.#now })
    const { runJob, downsampleConcurrency: concurrency, logger, metrics } = options
    this.#downsampling = new Downsampling({ changes: this.#changes, runJob, concurrency, logger, metrics })
  }

  /** Whole round. Throws what failed first, after everything else had its turn; nothing is lost, the next round goes on. */
  run(signal: AbortSignal): Promise<void> {
    return this.#inTurn(() => this.#run(signal))
  }

  /** Deletes what is to go, without compacting. */
  clean(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const { partial } = await this.#options.fetcher.fetch(signal)
      await this.#cleaner.deleteMarked(this.#options.deletionMarks.marks.values(), signal)
      await this.#cleaner.deletePartial(partial.values(), signal)
    })
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const mine = this.#turn.then(work)
    this.#turn = mine.catch(() => {}) // told to whom it concerns; the next one has its turn all the same
    return mine
  }

  async #run(signal: AbortSignal): Promise<void> {
    await this.#changes.clearWorkFolder()
    const failures = new Map<string, unknown>()
    for (let idle = false; !idle; ) {
      idle = await this.#compactGroups(failures, signal)
      for (const [index, error] of (await this.#downsample(signal)).entries())
        failures.set(`downsampling ${index}`, error)
      await this.#expire(signal)
    }
    if (failures.size > 0) throw [...failures.values()][0]
    this.#options.metrics.iterations.inc()
  }

  /**
   * Compacts until no group has a plan left (true), or for its turn's time (false); groups that fail join `failures`
   * and are left out from then on.
   */
  async #compactGroups(failures: Map<string, unknown>, signal: AbortSignal): Promise<boolean> {
    const since = performance.now()
    while (performance.now() - since < compactionTurnMs) {
      const groups = groupBlocks((await this.#sync(signal)).metas.values())
      const planned = groups.map((group) => ({ group, plan: this.#plan(group) }))
      this.#tellOverlaps(planned.flatMap(({ plan }) => plan.overlapping))
      const work = planned.filter(
        ({ group, plan }) =>
          !failures.has(group.key) && plan.merge.length + plan.tooLarge.length + plan.downsampledOverlap.length > 0,
      )
      if (work.length === 0) return true
      await forEachBounded(work, this.#options.concurrency, async ({ group, plan }) => {
        try {
          await this.#compact(group, plan, signal)
        } catch (error) {
          signal.throwIfAborted()
          failures.set(group.key, error)
          this.#options.metrics.failures.inc()
          this.#options.logger.error(
            { group: group.description, err: error },
            'could not compact group: it is tried again next time',
          )
        }
      })
    }
    return false
  }

  /** The blocks in view; on the way deletes what was marked long ago and marks what another block covers. */
  async #sync(signal: AbortSignal): Promise<FetchedBlocks> {
    const { fetcher, deletionMarks, duplicates, metrics } = this.#options
    const fetched = await fetcher.fetch(signal)
    await this.#cleaner.deleteMarked(deletionMarks.marks.values(), signal)
    for (const ulid of duplicates.duplicates) {
      if (deletionMarks.marks.has(ulid)) continue
      await this.#changes.mark(ulid, 'deletion', {
        details: 'outdated block: another block covers its sources',
        signal,
      })
      metrics.garbageCollected.inc()
    }
    return fetched
  }

  #plan(group: BlockGroup): Plan {
    const { rangesMs, maxIndexBytes, noCompactMarks, deletionMarks } = this.#options
    // What is to be deleted must not live on in a merged block.
    const noCompact = new Set([...noCompactMarks.marks.keys(), ...deletionMarks.marks.keys(), ...this.#unmergeable])
    return planGroup(group.blocks, { rangesMs, maxIndexBytes, noCompact })
  }

  async #compact(group: BlockGroup, { merge, tooLarge, downsampledOverlap }: Plan, signal: AbortSignal): Promise<void> {
    const { bucket, runJob, overlap, logger, metrics } = this.#options
    for (const { ulid } of tooLarge)
      await this.#changes.mark(ulid, 'no-compact', {
        reason: 'index-size-exceeding',
        details: 'the merged index would near its limit',
        signal,
      })
    for (const { ulid } of downsampledOverlap)
      await this.#changes.mark(ulid, 'no-compact', {
        reason: 'downsample-vertical-compaction',
        details: 'downsampled blocks that overlap are not merged',
        signal,
      })
    if (merge.length === 0) return
    metrics.runsStarted.inc()
    const block = this.#changes.newBlock()
    const names = merge.map((meta) => meta.ulid)
    logger.info({ group: group.description, blocks: names, output: block.ulid }, 'compacting')
    const outcome = await runJob({ kind: 'compact', inputs: merge, overlap, ...block }, signal)
    if (outcome.kind === 'bad_input') return this.#setAside(outcome, signal)
    await this.#changes.publish(outcome.meta, block.folder, signal)
    for (const input of names)
      await this.#changes.mark(input, 'deletion', { details: `source of compacted block ${block.ulid}`, signal })
    metrics.runsCompleted.inc()
    metrics.compactions.inc()
    const { numSamples } = outcome.meta.stats
    logger.info(
      { group: group.description, output: block.ulid, samples: numSamples, bucket: bucket.description },
      'compacted',
    )
  }

  /** A damaged block is marked; what only this version cannot do is tried again by the next one. */
  async #setAside({ ulid, code, reason }: JobOutcome & { kind: 'bad_input' }, signal: AbortSignal): Promise<void> {
    const { logger, metrics } = this.#options
    metrics.failures.inc()
    if (code === 'unsupported') {
      this.#unmergeable.add(ulid)
      logger.warn({ block: ulid, reason }, 'block left out of compaction: this version cannot merge it')
      return
    }
    logger.error({ block: ulid, reason }, 'block set aside: it cannot be compacted')
    await this.#changes.mark(ulid, 'no-compact', { details: reason, signal })
  }

  /** Twice, so that what has just reached 5 minutes reaches an hour; returns what failed. */
  async #downsample(signal: AbortSignal): Promise<unknown[]> {
    const failures: unknown[] = []
    for (const _pass of this.#options.downsampling ? [1, 2] : []) {
      const { metas } = await this.#sync(signal)
      failures.push(...(await this.#downsampling.run(this.#needs(metas.values()), signal)))
    }
    return failures
  }

  #needs(metas: Iterable<BlockMeta>): DownsampleNeed[] {
    const { retention, noDownsampleMarks, deletionMarks } = this.#options
    return planDownsampling(metas, {
      retention,
      nowMs: this.#now(),
      noDownsample: new Set([...noDownsampleMarks.marks.keys(), ...this.#downsampling.empty]),
      deleted: new Set(deletionMarks.marks.keys()),
    })
  }

  /** Marks what has expired and takes uploads out that were never finished. A block that is still to be downsampled stays. */
  async #expire(signal: AbortSignal): Promise<void> {
    const { retention, downsampling } = this.#options
    const { metas, partial } = await this.#sync(signal)
    const needed = new Set((downsampling ? this.#needs(metas.values()) : []).map(({ meta }) => meta.ulid))
    for (const { ulid } of expiredBlocks(metas.values(), retention, this.#now()))
      if (!needed.has(ulid))
        await this.#changes.mark(ulid, 'deletion', { details: 'block exceeding retention', signal })
    await this.#cleaner.deletePartial(partial.values(), signal)
  }

  #tellOverlaps(overlapping: readonly BlockMeta[]): void {
    const { logger, metrics } = this.#options
    metrics.overlapping.set(overlapping.length)
    for (const { ulid, minTime, maxTime } of overlapping)
      logger.warn(
        { block: ulid, minTime, maxTime },
        'block overlaps another one of its group, and is left out of compaction',
      )
  }
}
