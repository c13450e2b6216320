// Which blocks a Thanos compactor takes for outdated: it marks those for deletion, whatever marks the others have.
// Rule: Thanos pkg/block/fetcher.go, DefaultDeduplicateFilter: most sources first, then the lower ULID.
// Owns nothing.
import { type BlockMeta, groupKey } from '../../lib/blocks/meta.ts'

/** ULIDs of the blocks all of whose sources are those of one that goes before. */
export function thanosDuplicates(metas: Iterable<BlockMeta>): string[] {
  const inOrder = [...metas].sort(
    (a, b) => b.compaction.sources.length - a.compaction.sources.length || (a.ulid < b.ulid ? -1 : 1),
  )
  const kept: BlockMeta[] = []
  const duplicates: string[] = []
  for (const meta of inOrder) {
    const isCovered = kept.some(
      (other) =>
        groupKey(other) === groupKey(meta) &&
        meta.compaction.sources.every((source) => other.compaction.sources.includes(source)),
    )
    if (isCovered) duplicates.push(meta.ulid)
    else kept.push(meta)
  }
  return duplicates
}
