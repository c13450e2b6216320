// The series of several blocks side by side, in order: each label set once, with the blocks that have it.
// Algorithm: a merge of sorted lists; blocks are few, so that the smallest head is looked for among all of them.
// Owns the order alone; what is read of a series is the caller's.
import { compareLabels, type Labels } from '../labels/labels.ts'
import type { IndexedSeries } from '../tsdb/index-reader.ts'

/** A block's series in order, one at hand; undefined before the first and behind the last. */
export interface SeriesCursor {
  readonly series: IndexedSeries | undefined
  next(): Promise<void>
}

/** Ascending by labels. `members` stand at the series, in the cursors' order, until the next one is asked for. */
export async function* alignedSeries<C extends SeriesCursor>(
  cursors: readonly C[],
): AsyncGenerator<{ readonly labels: Labels; readonly members: readonly C[] }> {
  await Promise.all(cursors.map((cursor) => cursor.next()))
  for (let first = smallest(cursors); first; first = smallest(cursors)) {
    const { labels } = first
    const members = cursors.filter(({ series }) => series && compareLabels(series.labels, labels) === 0)
    yield { labels, members }
    for (const member of members) await member.next()
  }
}

function smallest(cursors: readonly SeriesCursor[]): IndexedSeries | undefined {
  let best: IndexedSeries | undefined
  for (const { series } of cursors)
    if (series && (!best || compareLabels(series.labels, best.labels) < 0)) best = series
  return best
}
