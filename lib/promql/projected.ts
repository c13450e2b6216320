// What a projection leaves of a series' labels. Queryables of tests and scripts hand out no more than that, so that whoever looks
// at other labels is found out.
// Specification: SelectHints.projection (queryable.ts). Owns nothing.
import type { Labels } from '../labels/labels.ts'
import type { SelectHints } from './queryable.ts'

/** The labels that a select may look at. */
export function projectedLabels(of: Labels, { projection }: SelectHints): Labels {
  if (projection === undefined) return of
  const { labels, without } = projection
  const kept: string[] = []
  for (let i = 0; i < of.length; i += 2) if (labels.includes(of[i]!) !== without) kept.push(of[i]!, of[i + 1]!)
  return kept
}
