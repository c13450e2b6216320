// Merges the blocks' streams into one: ascending by labels, series of equal labels as one, its chunks in order and each once.
// Works on batches: it waits for a block only where that one's batch is used up.
// Owns the heap of streams; what a failing block means is decided by the caller.
import { MnemoError } from '../kit/errors.ts'
import { compareLabels, formatLabels, type Labels } from '../labels/labels.ts'
import { removeTop, siftDown, siftUp } from '../storeapi/series-heap.ts'
import type { StoreSeries } from '../storeapi/types.ts'
import { joinBlocks, type SeriesOfBlock } from './one-origin.ts'
import type { Batches } from './prefetch.ts'

export interface BlockStream {
  /** Of the block, for the caller. */
  readonly ulid: string
  /** Equal for blocks of equal external labels; undefined: each series may be of one of its own. */
  readonly origin: string | undefined
  readonly batches: Batches<StoreSeries[]>
}

class Head {
  readonly stream: BlockStream
  #batch: StoreSeries[] = []
  #at = 0

  constructor(stream: BlockStream) {
    this.stream = stream
  }

  get series(): StoreSeries {
    return this.#batch[this.#at]!
  }

  /** Whether the next series is at hand without waiting. */
  step(): boolean {
    return ++this.#at < this.#batch.length
  }

  /** Takes the next batch that is not empty; false at the end. */
  async refill(): Promise<boolean> {
    for (;;) {
      const next = await this.stream.batches.next()
      if (next.done) return false
      this.#batch = next.value
      this.#at = 0
      if (this.#batch.length > 0) return true
    }
  }
}

/**
 * The streams' series, as many at a time as are at hand. `onFailure` is told of a stream that failed: where it returns or resolves, the others go on without it.
 * At the end, and where the reader leaves, `abort` is called to cut short what still runs; it has ended when the iteration has.
 */
export async function* mergeBlocks(
  streams: readonly BlockStream[],
  { onFailure, abort }: { onFailure: (ulid: string, error: unknown) => unknown; abort: () => void },
): AsyncGenerator<StoreSeries[], void> {
  const refill = async (head: Head): Promise<boolean> => {
    try {
      return await head.refill()
    } catch (error) {
      await onFailure(head.stream.ulid, error)
      return false
    }
  }
  try {
    const heap: Head[] = []
    for (const stream of streams) {
      const head = new Head(stream)
      if (await refill(head)) siftUp(heap, head)
    }
    let out: StoreSeries[] = []
    while (heap.length > 0) {
      const { labels } = heap[0]!.series
      const parts: SeriesOfBlock[] = []
      do {
        const head = heap[0]!
        const { ulid, origin } = head.stream
        parts.push({ ulid, origin, series: head.series })
        if (!head.step()) {
          // What is ready does not wait, and what comes after a failure is apart from what came before it.
          if (out.length > 0) yield out
          out = []
          if (!(await refill(head))) {
            removeTop(heap)
            continue
          }
        }
        if (compareLabels(head.series.labels, labels) >= 0) siftDown(heap)
        else {
          if (out.length > 0) yield out
          out = []
          await onFailure(head.stream.ulid, outOfOrder(head.series.labels, labels))
          removeTop(heap)
        }
      } while (heap.length > 0 && compareLabels(heap[0]!.series.labels, labels) === 0)
      out.push(joinBlocks(parts))
    }
    if (out.length > 0) yield out
  } finally {
    abort()
    await Promise.all(streams.map(({ batches }) => batches.return()))
  }
}

/** An index whose checksums are right may still be wrong: what else comes of its block cannot be put in its place. */
function outOfOrder(labels: Labels, before: Labels): MnemoError {
  const got = `got series ${formatLabels(labels)} after ${formatLabels(before)}`
  return new MnemoError('corrupt', `${got}, want series in ascending order of labels`)
}
