// What blocks' metas say beyond the format, and a block that is merged of them goes on saying.
// Rule: Thanos pkg/compact/compact.go (DefaultGrouper.Groups): over the whole group, not the merged blocks alone.
import type { JsonObject } from '../blocks/go-json.ts'
import type { BlockMeta } from '../blocks/meta.ts'

/**
 * The extensions of a group, in order of time: what all blocks that have any have, with the first one's values.
 * Undefined where none has any.
 */
export function groupExtensions(blocks: readonly BlockMeta[]): JsonObject | undefined {
  const all = blocks.flatMap(({ thanos: { extensions } }) => (extensions instanceof Map ? [extensions] : []))
  const [first, ...others] = all as JsonObject[]
  return first && new Map([...first].filter(([name]) => others.every((other) => other.has(name))))
}
