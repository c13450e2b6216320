// Which blocks are downsampled next: decided from metas alone.
// Rules: Thanos cmd/thanos/downsample.go; besides, a block that has expired and is not covered is due at any span.
// Owns the rules; downsampling itself is in downsample-block.ts.
import { type BlockMeta, groupKey } from '../blocks/meta.ts'
import { labelsKey } from '../labels/labels.ts'
import { resolutions } from './resolutions.ts'
import { hasExpired, type Retention } from './retention.ts'

const hourMs = 3_600_000
/** From these spans on a block makes about two chunks of the next resolution. */
const minSpanMs = new Map<number, number>([
  [resolutions.raw, 40 * hourMs],
  [resolutions.fiveMinutes, 240 * hourMs],
])

/** How much longer a block would have to be to be downsampled; undefined at the coarsest resolution. */
export function untilDownsamplingMs({ minTime, maxTime, thanos }: BlockMeta): number | undefined {
  const spanMs = minSpanMs.get(thanos.resolutionMs)
  return spanMs === undefined ? undefined : spanMs - (maxTime - minTime)
}

/** A block that lacks its next coarser resolution, in part at least. */
export interface DownsampleNeed {
  readonly meta: BlockMeta
  /** To be downsampled to it, ms. */
  readonly resolutionMs: number
  /** Now. Where not, the block must only not be thrown away yet: what covers it is itself marked for deletion. */
  readonly due: boolean
}

export interface DownsampleOptions {
  readonly retention: Retention
  readonly nowMs: number
  /** ULIDs with a no-downsample mark: they never need it. */
  readonly noDownsample: ReadonlySet<string>
  /** ULIDs with a deletion mark: they are left as they are. */
  readonly deleted: ReadonlySet<string>
}

/**
 * What is to be downsampled, ascending by ULID: blocks that are long enough, and those that expire, however short,
 * as long as a coarser resolution outlives them.
 */
export function planDownsampling(metas: Iterable<BlockMeta>, options: DownsampleOptions): DownsampleNeed[] {
  const { retention, nowMs, noDownsample, deleted } = options
  const all = [...metas].sort((a, b) => (a.ulid < b.ulid ? -1 : 1))
  const seen = new Coverage(all)
  const lasting = new Coverage(all.filter(({ ulid }) => !deleted.has(ulid)))
  const isExpired = (meta: BlockMeta, resolutionMs: number) => hasExpired({ meta, resolutionMs, retention, nowMs })
  return all.flatMap((meta): DownsampleNeed[] => {
    const { resolutionMs } = meta.thanos
    const next = coarserOf(resolutionMs)
    if (next === undefined || noDownsample.has(meta.ulid) || deleted.has(meta.ulid) || lasting.holds(meta, next))
      return []
    const after = coarserOf(next)
    const isWanted =
      !isExpired(meta, next) || (after !== undefined && !isExpired(meta, after) && !lasting.holds(meta, after))
    const isLong = meta.maxTime - meta.minTime >= minSpanMs.get(resolutionMs)!
    if (!isWanted || !(isLong || isExpired(meta, resolutionMs))) return []
    return [{ meta, resolutionMs: next, due: !seen.holds(meta, next) }]
  })
}

function coarserOf(resolutionMs: number): number | undefined {
  if (resolutionMs === resolutions.raw) return resolutions.fiveMinutes
  return resolutionMs === resolutions.fiveMinutes ? resolutions.oneHour : undefined
}

/** The sources that blocks have at each resolution, by group. */
class Coverage {
  readonly #sources = new Map<string, Set<string>>()

  constructor(blocks: readonly BlockMeta[]) {
    for (const [key, group] of Map.groupBy(blocks, groupKey))
      this.#sources.set(key, new Set(group.flatMap(({ compaction }) => compaction.sources)))
  }

  /** Whether blocks of that resolution and the block's labels have all of its sources. */
  holds({ compaction, thanos }: BlockMeta, resolutionMs: number): boolean {
    const there = this.#sources.get(`${resolutionMs}@${labelsKey(thanos.labels)}`)
    return there !== undefined && compaction.sources.every((source) => there.has(source))
  }
}
