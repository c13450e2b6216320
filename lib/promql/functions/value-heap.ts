// The k best of a stream of values, with the ties that Prometheus breaks the way its binary heap does.
// Specification: Go's container/heap and sort.Sort as promql/engine.go (aggregationK) uses them.
// Owns the order of equal values; NaN ranks below all in topk and bottomk alike.

/** Compares as sort.Interface's Less: whether a goes before b. */
export type Less = (a: number, b: number) => boolean

export const ascending: Less = (a, b) => Number.isNaN(a) || a < b
export const descending: Less = (a, b) => Number.isNaN(a) || a > b

export interface Ranked {
  readonly value: number
  /** What the value belongs to. */
  readonly index: number
}

/** Keeps at most `size` values: those that come last by `less`; the first by `less` is on top and goes first. */
export class ValueHeap {
  readonly #less: Less
  readonly #size: number
  readonly #items: Ranked[] = []

  constructor(size: number, less: Less) {
    this.#size = size
    this.#less = less
  }

  offer(item: Ranked): void {
    const items = this.#items
    if (items.length < this.#size) {
      items.push(item)
      this.#up(items.length - 1)
      return
    }
    const top = items[0]!.value
    const better = this.#less === ascending ? top < item.value : top > item.value
    if (better || (Number.isNaN(top) && !Number.isNaN(item.value))) {
      items[0] = item
      this.#down()
    }
  }

  /** Best first. */
  sorted(): Ranked[] {
    return sortLikeGo([...this.#items], (a, b) => this.#less(b.value, a.value))
  }

  #up(from: number): void {
    const items = this.#items
    for (let j = from; j > 0; ) {
      const parent = (j - 1) >> 1
      if (!this.#less(items[j]!.value, items[parent]!.value)) break
      swap(items, j, parent)
      j = parent
    }
  }

  #down(): void {
    const items = this.#items
    for (let i = 0; ; ) {
      let child = 2 * i + 1
      if (child >= items.length) return
      if (child + 1 < items.length && this.#less(items[child + 1]!.value, items[child]!.value)) child++
      if (!this.#less(items[child]!.value, items[i]!.value)) return
      swap(items, i, child)
      i = child
    }
  }
}

function swap(items: Ranked[], i: number, j: number): void {
  const item = items[i]!
  items[i] = items[j]!
  items[j] = item
}

/**
 * Sorts as Go's sort.Sort does up to twelve items (insertion), which shows in the order of NaNs;
 * more of them by a stable sort.
 */
export function sortLikeGo<T>(items: T[], less: (a: T, b: T) => boolean): T[] {
  if (items.length > 12) return items.sort((a, b) => (less(a, b) ? (less(b, a) ? 0 : -1) : less(b, a) ? 1 : 0))
  for (let i = 1; i < items.length; i++) {
    for (let j = i; j > 0 && less(items[j]!, items[j - 1]!); j--) {
      const item = items[j]!
      items[j] = items[j - 1]!
      items[j - 1] = item
    }
  }
  return items
}
