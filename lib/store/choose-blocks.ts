// Which blocks answer a time range: the coarsest resolution that is allowed, its gaps filled from finer blocks.
// After Thanos's bucketBlockSet.getFor, which goes by time alone: a raw block that came late, or was never downsampled, is lost
// there behind a coarser one. Owns the choice alone: a pure function over the blocks of one label set.

/** Resolutions of blocks, coarsest first, ms. */
export const resolutionsMs = [3_600_000, 300_000, 0] as const

export interface BlockSpan {
  /** [minTime, maxTime) in ms. */
  readonly minTime: number
  readonly maxTime: number
  readonly resolutionMs: number
  /** What it was made of: a coarser block stands in for those that it shares. */
  readonly sources: readonly string[]
}

export interface WantedRange {
  /** Inclusive, ms. */
  readonly minTime: number
  readonly maxTime: number
  /** No coarser than this; 0 is raw. */
  readonly maxResolutionMs: number
}

/**
 * The blocks that cover the range, each once, and those of which coarser ones hold a part at most. All of `blocks` have one set of
 * external labels.
 */
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
  if (levels.length > 1) addUncovered(levels.flat(), wanted, chosen)
  return [...chosen]
}

/** Adds blocks with a source that no chosen block has; `blocks` come coarsest first. */
function addUncovered<T extends BlockSpan>(
  blocks: readonly T[],
  { minTime, maxTime }: WantedRange,
  chosen: Set<T>,
): void {
  const left = blocks.filter((block) => !chosen.has(block) && block.maxTime > minTime && block.minTime <= maxTime)
  if (left.length === 0) return
  const held = new Set([...chosen].flatMap(({ sources }) => sources))
  for (const block of left) {
    if (block.sources.every((source) => held.has(source))) continue
    chosen.add(block)
    for (const source of block.sources) held.add(source)
  }
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
