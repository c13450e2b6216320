// What the compactor sees of the bucket at one moment; on the way blocks go that were marked long ago, and those that
// another block covers are marked.
// Algorithm: Thanos pkg/compact/compact.go (Syncer: SyncMetas, GarbageCollect), blocks_cleaner.go.
// Owns that one sync runs at a time, and that a view's parts are of the same moment.
import type { MetaFetcher, PartialBlock } from '../blocks/fetcher.ts'
import type { DeduplicateFilter } from '../blocks/filters.ts'
import type { MarkFilter } from '../blocks/mark-filters.ts'
import type { Mark } from '../blocks/markers.ts'
import type { BlockMeta } from '../blocks/meta.ts'
import type { MnemoError } from '../kit/errors.ts'
import type { BlockChanges } from './block-changes.ts'
import type { Cleaner } from './cleaner.ts'
import type { CompactMetrics } from './metrics.ts'

/** The bucket's blocks and their marks, by ULID. */
export interface BucketView {
  /** Whole blocks that no filter took out: what is worked on. */
  readonly metas: ReadonlyMap<string, BlockMeta>
  /** Blocks without a readable meta.json. */
  readonly partial: ReadonlyMap<string, PartialBlock>
  /** Why blocks of another version than ours are left alone. */
  readonly unsupported: ReadonlyMap<string, MnemoError>
  /** Blocks that another one covers, in order: to be marked for deletion, or marked already. */
  readonly duplicates: readonly string[]
  readonly deletionMarks: ReadonlyMap<string, Mark>
  readonly noCompactMarks: ReadonlyMap<string, Mark>
  readonly noDownsampleMarks: ReadonlyMap<string, Mark>
}

export interface ViewSources {
  /** Must list the four filters below. */
  readonly fetcher: MetaFetcher
  readonly deletionMarks: MarkFilter
  /** After the deletion marks, and told of them. */
  readonly duplicates: DeduplicateFilter
  readonly noCompactMarks: MarkFilter
  readonly noDownsampleMarks: MarkFilter
}

/** Reads the bucket; writes nothing. One call at a time. */
export async function readView(sources: ViewSources, signal: AbortSignal): Promise<BucketView> {
  const { metas, partial, unsupported } = await sources.fetcher.fetch(signal)
  return {
    metas,
    partial,
    unsupported,
    duplicates: sources.duplicates.duplicates,
    deletionMarks: sources.deletionMarks.marks,
    noCompactMarks: sources.noCompactMarks.marks,
    noDownsampleMarks: sources.noDownsampleMarks.marks,
  }
}

export interface BlockSyncOptions extends ViewSources {
  readonly changes: BlockChanges
  readonly cleaner: Cleaner
  readonly metrics: CompactMetrics
  /** Told of each view, as it was read. */
  readonly onView?: (view: BucketView) => void
}

export class BlockSync {
  readonly #options: BlockSyncOptions
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: BlockSyncOptions) {
    this.#options = options
  }

  /** The bucket now, after what was due for deletion has gone. Throws where the bucket fails. */
  sync(signal: AbortSignal): Promise<BucketView> {
    const mine = this.#last.then(() => this.#sync(signal))
    this.#last = mine.catch(() => {}) // told to whom it concerns; the next one has its turn all the same
    return mine
  }

  async #sync(signal: AbortSignal): Promise<BucketView> {
    signal.throwIfAborted()
    const view = await readView(this.#options, signal)
    this.#options.onView?.(view)
    await this.#options.cleaner.deleteMarked(view.deletionMarks.values(), signal)
    await this.#collectGarbage(view, signal)
    return view
  }

  async #collectGarbage({ duplicates, deletionMarks }: BucketView, signal: AbortSignal): Promise<void> {
    const { changes, metrics } = this.#options
    const took = metrics.garbageCollectionSeconds.startTimer()
    try {
      for (const ulid of duplicates) {
        if (deletionMarks.has(ulid)) continue
        const details = 'outdated block: another block covers its sources'
        if (await changes.mark(ulid, 'deletion', { details, signal })) metrics.garbageCollected.inc()
      }
    } catch (error) {
      metrics.garbageCollectionFailures.inc()
      throw error
    }
    metrics.garbageCollections.inc()
    took()
  }
}
