// The compactor's round over a bucket: until nothing is left to do, sync, delete, plan and merge each group; then retention, then cleaning.
// Order: Thanos cmd/thanos/compact.go. A bad block is set aside by a mark, a group that fails does not hold up the others.
// Owns the order of changes to the bucket: the merged block is whole in it before its inputs are marked, so that a kill at any point loses nothing.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { FetchedBlocks, MetaFetcher } from '../blocks/fetcher.ts'
import type { DeduplicateFilter } from '../blocks/filters.ts'
import type { MarkFilter } from '../blocks/mark-filters.ts'
import { type MarkKind, type MarkReason, markFileNames, putMark } from '../blocks/markers.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import { newUlid } from '../blocks/ulid.ts'
import { uploadBlock } from '../blocks/upload.ts'
import { forEachBounded } from '../kit/bounded.ts'
import { MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { Cleaner } from './cleaner.ts'
import type { CompactionJob, CompactionOutcome } from './job.ts'
import type { CompactMetrics } from './metrics.ts'
import { type BlockGroup, groupBlocks, type Plan, planGroup } from './plan.ts'
import { expiredBlocks, type Retention } from './retention.ts'

export interface CompactorOptions {
  readonly bucket: Bucket
  /** Must list the three filters below. */
  readonly fetcher: MetaFetcher
  readonly deletionMarks: MarkFilter
  readonly duplicates: DeduplicateFilter
  readonly noCompactMarks: MarkFilter
  /** Runs a job, e.g. in a worker thread. */
  readonly compact: (job: CompactionJob, signal: AbortSignal) => Promise<CompactionOutcome>
  /** For blocks being written; emptied at start. */
  readonly workFolder: string
  readonly rangesMs: readonly number[]
  readonly maxIndexBytes: number
  readonly deleteDelayMs: number
  readonly retention: Retention
  /** Groups side by side. */
  readonly concurrency: number
  readonly logger: Logger
  readonly metrics: CompactMetrics
  readonly now?: () => number
}

export class Compactor {
  readonly #options: CompactorOptions
  readonly #cleaner: Cleaner
  readonly #now: () => number
  /** One thing at a time: a round, or cleaning between rounds. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: CompactorOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#cleaner = new Cleaner({ ...options, now: this.#now })
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
    const { fetcher, workFolder, retention, metrics } = this.#options
    await rm(workFolder, { recursive: true, force: true })
    const failures = await this.#compactAll(signal)
    const { metas, partial } = await fetcher.fetch(signal)
    for (const meta of expiredBlocks(metas.values(), retention, this.#now()))
      await this.#mark(meta.ulid, 'deletion', { details: 'block exceeding retention', signal })
    await this.#cleaner.deletePartial(partial.values(), signal)
    if (failures.length > 0) throw failures[0]
    metrics.iterations.inc()
  }

  /** Compacts until no group has a plan left; groups that fail are left out from then on. */
  async #compactAll(signal: AbortSignal): Promise<unknown[]> {
    const failures = new Map<string, unknown>()
    for (;;) {
      const groups = groupBlocks((await this.#sync(signal)).metas.values())
      const planned = groups.map((group) => ({ group, plan: this.#plan(group) }))
      this.#tellOverlaps(planned.flatMap(({ plan }) => plan.overlapping))
      const work = planned.filter(
        ({ group, plan }) => !failures.has(group.key) && (plan.merge.length > 0 || plan.tooLarge.length > 0),
      )
      if (work.length === 0) return [...failures.values()]
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
  }

  /** The blocks in view; on the way deletes what was marked long ago and marks what another block covers. */
  async #sync(signal: AbortSignal): Promise<FetchedBlocks> {
    const { fetcher, deletionMarks, duplicates, metrics } = this.#options
    const fetched = await fetcher.fetch(signal)
    await this.#cleaner.deleteMarked(deletionMarks.marks.values(), signal)
    for (const ulid of duplicates.duplicates) {
      if (deletionMarks.marks.has(ulid)) continue
      await this.#mark(ulid, 'deletion', { details: 'outdated block: another block covers its sources', signal })
      metrics.garbageCollected.inc()
    }
    return fetched
  }

  #plan(group: BlockGroup): Plan {
    const { rangesMs, maxIndexBytes, noCompactMarks } = this.#options
    return planGroup(group.blocks, { rangesMs, maxIndexBytes, noCompact: new Set(noCompactMarks.marks.keys()) })
  }

  async #compact(group: BlockGroup, { merge, tooLarge }: Plan, signal: AbortSignal): Promise<void> {
    const { bucket, compact, workFolder, logger, metrics } = this.#options
    for (const { ulid } of tooLarge)
      await this.#mark(ulid, 'no-compact', {
        reason: 'index-size-exceeding',
        details: 'the merged index would near its limit',
        signal,
      })
    if (merge.length === 0) return
    metrics.runsStarted.inc()
    const ulid = newUlid(this.#now())
    const folder = join(workFolder, ulid)
    const names = merge.map((meta) => meta.ulid)
    logger.info({ group: group.description, blocks: names, output: ulid }, 'compacting')
    const outcome = await compact({ inputs: merge, ulid, folder }, signal)
    if (outcome.kind === 'bad_input') {
      logger.error({ block: outcome.ulid, reason: outcome.reason }, 'block set aside: it cannot be compacted')
      await this.#mark(outcome.ulid, 'no-compact', { details: outcome.reason, signal })
      metrics.failures.inc()
      return
    }
    await this.#publish(outcome.meta, folder, signal)
    for (const input of names)
      await this.#mark(input, 'deletion', { details: `source of compacted block ${ulid}`, signal })
    metrics.runsCompleted.inc()
    metrics.compactions.inc()
    logger.info(
      { group: group.description, output: ulid, samples: outcome.meta.stats.numSamples, bucket: bucket.description },
      'compacted',
    )
  }

  /** Puts the merged block into the bucket, if it holds anything, and takes it off the disk. */
  async #publish(meta: BlockMeta, folder: string, signal: AbortSignal): Promise<void> {
    const { bucket, logger } = this.#options
    if (meta.stats.numSamples > 0) {
      const { uploaded } = await uploadBlock(bucket, folder, meta, { signal, logger })
      if (!uploaded) throw new MnemoError('internal', `cannot upload block ${meta.ulid}: the bucket has it already`)
    }
    await rm(folder, { recursive: true })
  }

  async #mark(
    ulid: string,
    kind: MarkKind,
    options: { reason?: MarkReason; details: string; signal: AbortSignal },
  ): Promise<void> {
    const { bucket, logger, metrics } = this.#options
    if (!(await putMark(bucket, ulid, kind, { ...options, nowMs: this.#now() }))) return
    metrics.marked.inc({ marker: markFileNames[kind], reason: options.reason ?? '' })
    logger.info({ block: ulid, mark: kind, details: options.details }, 'marked block')
  }

  #tellOverlaps(overlapping: readonly BlockMeta[]): void {
    const { logger, metrics } = this.#options
    metrics.overlapping.set(overlapping.length)
    for (const { ulid, minTime, maxTime } of overlapping)
      logger.warn({ block: ulid, minTime, maxTime }, 'block overlaps another one of its group: left out of compaction')
  }
}
