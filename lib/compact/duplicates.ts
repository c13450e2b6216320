// Blocks that are there twice: made by a compaction that ran twice, equal in all that their metas say.
// Definition: Thanos pkg/verifier/duplicated_compaction.go.
// Owns which of them stays: the one that every reader keeps, of the lowest ULID.
import type { BlockMeta } from '../blocks/meta.ts'

export interface DuplicatedBlock {
  readonly meta: BlockMeta
  /** The same block, which stays. */
  readonly keptUlid: string
}

/** The blocks of one group that another one repeats, ascending by ULID. */
export function duplicatedBlocks(group: readonly BlockMeta[]): DuplicatedBlock[] {
  const byContents = Map.groupBy(
    group.toSorted((a, b) => (a.ulid < b.ulid ? -1 : 1)),
    ({ minTime, maxTime, compaction, stats }) => {
      const {
        numSamples,
        numSeries,
        numChunks,
        numFloatSamples = 0,
        numHistogramSamples = 0,
        numTombstones = 0,
      } = stats
      const counts = [numSamples, numSeries, numChunks, numFloatSamples, numHistogramSamples, numTombstones]
      return JSON.stringify([minTime, maxTime, compaction.level, compaction.sources, counts])
    },
  )
  return [...byContents.values()].flatMap(([kept, ...others]) => others.map((meta) => ({ meta, keptUlid: kept!.ulid })))
}
