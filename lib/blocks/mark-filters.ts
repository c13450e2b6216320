// Filters that read the marks of blocks.
// Algorithm: Thanos pkg/block/fetcher.go (IgnoreDeletionMarkFilter), pkg/compact/planner.go (GatherNoCompactionMarkFilter).
// Owns the marks of the last sync; the listing says which blocks have one, so that no other block is asked.
import { forEachBounded } from '../kit/bounded.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from '../objstore/bucket.ts'
import type { FilterContext, MetaFilter } from './fetcher.ts'
import { type Mark, type MarkKind, readMark } from './markers.ts'
import { News } from './news.ts'

export interface MarkFilter extends MetaFilter {
  /** Marks of the blocks that were in view when the filter came, by ULID. */
  readonly marks: ReadonlyMap<string, Mark>
}

export interface MarkFilterOptions {
  readonly bucket: Bucket
  readonly concurrency?: number
  readonly logger?: Logger | undefined
}

/** Leaves out blocks that were marked for deletion longer than `delayMs` ago, and remembers all that are marked. */
export function ignoreDeletionMarkFilter(delayMs: number, options: MarkFilterOptions): MarkFilter {
  return markFilter('deletion', options, (mark, context) => {
    if (context.nowMs - mark.timeMs > delayMs) context.exclude(mark.ulid, 'marked-for-deletion')
  })
}

/** Remembers which blocks must not be compacted, or not be downsampled; takes none out of view. */
export function gatherMarksFilter(kind: 'no-compact' | 'no-downsample', options: MarkFilterOptions): MarkFilter {
  return markFilter(kind, options, (_mark, context) => context.count(`marked-for-${kind}`))
}

function markFilter(
  kind: MarkKind,
  { bucket, logger, concurrency = 32 }: MarkFilterOptions,
  found: (mark: Mark, context: FilterContext) => void,
): MarkFilter {
  let marks: ReadonlyMap<string, Mark> = new Map()
  const news = new News()
  return {
    get marks() {
      return marks
    },
    async apply(context) {
      const { metas, listing, signal } = context
      const marked = [...metas.keys()].filter((ulid) => listing.get(ulid)?.marks.has(kind))
      const read = new Map<string, Mark>()
      news.begin()
      await forEachBounded(marked, concurrency, async (ulid) => {
        const mark = await readMark(bucket, ulid, kind, { logger, news, signal })
        if (mark) read.set(ulid, mark)
      })
      for (const mark of read.values()) found(mark, context)
      marks = read
    },
  }
}
