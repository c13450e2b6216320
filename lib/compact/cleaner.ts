// Takes out of the bucket what is to go: blocks marked for deletion long enough ago, uploads that were never finished.
// Rules: Thanos pkg/compact/blocks_cleaner.go, clean.go; an unfinished block is removed once its newest object is 48 h old.
// Not Thanos's: a meta.json that is JSON, but says what we cannot read, may be a whole block's, and nobody deletes it.
// Owns deletion. Nothing is deleted on a doubt; what fails is tried again next time.
import { deleteBlock } from '../blocks/delete.ts'
import type { PartialBlock } from '../blocks/fetcher.ts'
import type { Mark } from '../blocks/markers.ts'
import { ulidTimeMs } from '../blocks/ulid.ts'
import { forEachBounded } from '../kit/bounded.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from '../objstore/bucket.ts'
import type { CompactMetrics } from './metrics.ts'

const partialUploadAgeMs = 48 * 3_600_000
/** A retention that was shortened leaves thousands to delete. */
const blocksSideBySide = 8

/** Whether the mark is older than the delay between a block's mark and its deletion. */
export function isDueForDeletion(mark: Mark, deleteDelayMs: number, nowMs: number): boolean {
  return nowMs - mark.timeMs > deleteDelayMs
}

/** Whether the block is unfinished, and nobody uploads it any more: its newest object (else its ULID's time) is older than 48 h. */
export function isAbandoned({ ulid, newestObjectMs, isUnfinished }: PartialBlock, nowMs: number): boolean {
  return isUnfinished && nowMs - (newestObjectMs || ulidTimeMs(ulid)) > partialUploadAgeMs
}

export interface CleanerOptions {
  readonly bucket: Bucket
  /** Between a block's mark and its deletion. */
  readonly deleteDelayMs: number
  readonly logger: Logger
  readonly metrics: CompactMetrics
  readonly now: () => number
}

export class Cleaner {
  readonly #options: CleanerOptions

  constructor(options: CleanerOptions) {
    this.#options = options
  }

  /** Deletes blocks whose mark is older than the delay. */
  async deleteMarked(marks: Iterable<Mark>, signal: AbortSignal): Promise<void> {
    const { deleteDelayMs, now } = this.#options
    const due = [...marks].filter((mark) => isDueForDeletion(mark, deleteDelayMs, now()))
    await forEachBounded(due, blocksSideBySide, ({ ulid }) =>
      this.#delete(ulid, 'deleted block that was marked for deletion', signal),
    )
  }

  /** Deletes unfinished blocks whose newest object (else their ULID's time) is older than 48 h. */
  async deletePartial(partial: Iterable<PartialBlock>, signal: AbortSignal): Promise<void> {
    const { metrics, now } = this.#options
    const abandoned = [...partial].filter((block) => isAbandoned(block, now()))
    await forEachBounded(abandoned, blocksSideBySide, ({ ulid }) => {
      metrics.partialDeletions.inc()
      return this.#delete(ulid, 'deleted block whose upload was never finished', signal)
    })
    metrics.cleanups.inc()
  }

  async #delete(ulid: string, done: string, signal: AbortSignal): Promise<void> {
    const { bucket, logger, metrics } = this.#options
    try {
      await deleteBlock(bucket, ulid, signal)
      metrics.cleaned.inc()
      logger.info({ block: ulid }, done)
    } catch (err) {
      signal.throwIfAborted()
      metrics.cleanupFailures.inc()
      logger.warn({ block: ulid, err }, 'could not delete block: it is tried again')
    }
  }
}
