// Which blocks answer a time range: the coarsest resolution that is allowed, its gaps filled from finer blocks.
// After Thanos's bucketBlockSet.getFor. Owns the choice alone: a pure function over the blocks of one label set.

/** Resolutions of blocks, coarsest first, ms. */
export const resolutionsMs = [3_600_000, 300_000, 0] as const

export interface BlockSpan {
  /** [minTime, maxTime) in ms. */
  readonly minTime: number
  readonly maxTime: number
  readonly resolutionMs: number
}

export interface WantedRange {
  /** Inclusive, ms. */
  readonly minTime: number
  readonly maxTime: number
  /** No coarser than this; 0 is raw. */
  readonly maxResolutionMs: number
}

/** The blocks that cover the range, each once. All of `blocks` have one set of external labels. */
export function chooseBlocks<T extends BlockSpan>(blocks: readonly T[], wanted: WantedRange): T[] {
  const levels = resolutionsMs
    .filter((resolution) => resolution <= Math.max(0, wanted.maxResolutionMs))
    .map((resolution) =>
      blocks
        .filter((block) => block.resolutionMs === resolution)
        .sort((a, b) => a.minTime - b.minTime || a.maxTime - b.maxTime),
    )
  const chosen = new Set<T>()
  fill(levels, 0, wanted, chosen)
  return [...chosen]
}

function fill<T extends BlockSpan>(
  levels: readonly (readonly T[])[],
  level: number,
  { minTime, maxTime }: Pick<WantedRange, 'minTime' | 'maxTime'>,
  chosen: Set<T>,
): void {
  const blocks = levels[level]
  if (!blocks || minTime > maxTime) return
  let start = minTime
  for (const block of blocks) {
    if (block.maxTime <= minTime) continue
    if (block.minTime > maxTime) break
    fill(levels, level + 1, { minTime: start, maxTime: block.minTime - 1 }, chosen)
    chosen.add(block)
    start = Math.max(start, block.maxTime)
  }
  fill(levels, level + 1, { minTime: start, maxTime }, chosen)
}
