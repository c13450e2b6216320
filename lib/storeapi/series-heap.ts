// A heap of streams, by the labels of the series that each stands at: the least is the first.
// Owns the order in the array; the streams are the caller's, who moves the first one on and says so.
import { compareLabels, type Labels } from '../labels/labels.ts'

interface AtSeries {
  readonly series: { readonly labels: Labels }
}

export function siftUp<T extends AtSeries>(heap: T[], stream: T): void {
  let i = heap.push(stream) - 1
  while (i > 0) {
    const parent = (i - 1) >> 1
    if (compareLabels(heap[parent]!.series.labels, stream.series.labels) <= 0) break
    heap[i] = heap[parent]!
    i = parent
  }
  heap[i] = stream
}

/** Puts the first stream, which has moved on, where it belongs. */
export function siftDown<T extends AtSeries>(heap: T[]): void {
  const stream = heap[0]!
  let i = 0
  for (;;) {
    let child = 2 * i + 1
    if (child >= heap.length) break
    const right = child + 1
    if (right < heap.length && compareLabels(heap[right]!.series.labels, heap[child]!.series.labels) < 0) child = right
    if (compareLabels(stream.series.labels, heap[child]!.series.labels) <= 0) break
    heap[i] = heap[child]!
    i = child
  }
  heap[i] = stream
}

export function removeTop<T extends AtSeries>(heap: T[]): void {
  const last = heap.pop()!
  if (heap.length === 0) return
  heap[0] = last
  siftDown(heap)
}
