// The k best of a stream of values, with the ties that Prometheus breaks the way its binary heap does.
// Specification: Go's container/heap and sort.Sort as promql/engine.go (aggregationK) uses them.
// Owns the order of equal values; NaN ranks below all in topk and bottomk alike.

/** Compares as sort.Interface's Less: whether a goes before b. */
export type Less = (a: number, b: number) => boolean

export const ascending: Less = (a, b) => Number.isNaN(a) || a < b
export const descending: Less = (a, b) => Number.isNaN(a) || a > b

/** Keeps at most `size` values: those that come last by `less`; the first by `less` is on top and goes first. */
export class ValueHeap {
  readonly #less: Less
  readonly #size: number
  readonly #values: number[] = []
  /** What the values belong to. */
  readonly #indexes: number[] = []

  constructor(size: number, less: Less) {
    this.#size = size
    this.#less = less
  }

  offer(value: number, index: number): void {
    const values = this.#values
    if (values.length < this.#size) {
      values.push(value)
      this.#indexes.push(index)
      this.#up(values.length - 1)
      return
    }
    const top = values[0]!
    const better = this.#less === ascending ? top < value : top > value
    if (better || (Number.isNaN(top) && !Number.isNaN(value))) {
      values[0] = value
      this.#indexes[0] = index
      this.#down()
    }
  }

  /** What the kept values belong to, best first. */
  sorted(): number[] {
    const values = this.#values
    const places = sortLikeGo([...values.keys()], (a, b) => this.#less(values[b]!, values[a]!))
    return places.map((place) => this.#indexes[place]!)
  }

  #up(from: number): void {
    const values = this.#values
    for (let j = from; j > 0; ) {
      const parent = (j - 1) >> 1
      if (!this.#less(values[j]!, values[parent]!)) break
      this.#swap(j, parent)
      j = parent
    }
  }

  #down(): void {
    const values = this.#values
    for (let i = 0; ; ) {
      let child = 2 * i + 1
      if (child >= values.length) return
      if (child + 1 < values.length && this.#less(values[child + 1]!, values[child]!)) child++
      if (!this.#less(values[child]!, values[i]!)) return
      this.#swap(i, child)
      i = child
    }
  }

  #swap(i: number, j: number): void {
    swap(this.#values, i, j)
    swap(this.#indexes, i, j)
  }
}

function swap(items: number[], i: number, j: number): void {
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
