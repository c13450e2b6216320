// A part that is used more than once: computed for its first use, kept for the others.
// Specification: plan/optimise/share-equal.ts. What is too much to keep is computed again.
// Owns what is kept, until its last use.

import type { VectorPlan } from '../plan/plan.ts'
import { type Context, checkAborted, type Query, type SeriesStream, viewsOf } from './context.ts'
import { Matrix } from './matrix.ts'

/** Series × steps kept for one part at most: 9 bytes each. */
const mostCells = 4_000_000

/** What is kept of a part, and for how many uses; undefined: it was too much. */
interface Kept {
  readonly matrix: Matrix | undefined
  usesLeft: number
}

/** By the part's number in the plan. */
const keptBy = new WeakMap<Query, Map<number, Kept>>()

export async function* sharedOperator(plan: Extract<VectorPlan, { kind: 'shared' }>, context: Context): SeriesStream {
  const { run } = context.query
  const shared = keptBy.get(context.query) ?? new Map<number, Kept>()
  keptBy.set(context.query, shared)
  const kept = shared.get(plan.id)
  if (kept === undefined) {
    const matrix = yield* keeping(run.vector(plan.child, context), context)
    shared.set(plan.id, { matrix, usesLeft: plan.uses - 1 })
    return
  }
  if (kept.matrix === undefined) {
    yield* run.vector(plan.child, context)
    return
  }
  yield* again(kept.matrix, context)
  if (--kept.usesLeft > 0) return
  kept.matrix.release()
  shared.delete(plan.id)
}

/** Lets the series pass; returns copies of them all, undefined where those are too much. */
async function* keeping(
  stream: SeriesStream,
  context: Context,
): AsyncGenerator<YieldOf<SeriesStream>, Matrix | undefined> {
  const { samples } = context.query
  let matrix: Matrix | undefined = new Matrix(context)
  let cells = 0
  let isComplete = false
  try {
    for await (const series of stream) {
      cells += context.steps.count
      if (cells > mostCells || !samples.hasRoom(context.steps.count)) {
        matrix?.release()
        matrix = undefined
      }
      // Before it passes: who borrows the row may write over it.
      matrix?.copy(series)
      yield series
    }
    isComplete = true
  } finally {
    if (!isComplete) matrix?.release()
  }
  return matrix
}

type YieldOf<S> = S extends AsyncIterable<infer T> ? T : never

async function* again({ series }: Matrix, context: Context): SeriesStream {
  const row = context.query.kernels.row(context.steps.count)
  for (const { labels, dropName, values, present, histograms } of series) {
    checkAborted(context.query.signal)
    const views = viewsOf(context, row)
    views.values.set(values)
    views.present.set(present)
    yield { labels, dropName, row, histograms: histograms?.slice() }
  }
}
