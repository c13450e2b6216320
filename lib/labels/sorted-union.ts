// The union of many sorted lists of strings: label names and values of blocks, stores and matcher sets.
// Runs of like length are merged two by two, as in a merge sort: n values of k lists take n · log k comparisons and no set.
// Owns the runs until they are taken.
import { compareStrings } from './labels.ts'

export class SortedUnion {
  readonly #limit: number
  /** Each without duplicates, ascending by bytes, at least twice as long as the next one. */
  readonly #runs: (readonly string[])[] = []

  /** What comes after the first `limit` values is dropped on the way; 0: nothing is. */
  constructor(limit = 0) {
    this.#limit = limit > 0 ? limit : Number.POSITIVE_INFINITY
  }

  /** Adds values in any order, each any number of times; ascending ones are the fast way. Keeps the list: it must not change. */
  add(values: readonly string[]): void {
    let run = this.#cut(isAscending(values) ? values : inOrder(values))
    for (let last = this.#runs.at(-1); last !== undefined && last.length < 2 * run.length; last = this.#runs.at(-1)) {
      this.#runs.pop()
      run = merge(last, run, this.#limit)
    }
    if (run.length > 0) this.#runs.push(run)
  }

  /** All values, ascending by bytes, each once. */
  values(): readonly string[] {
    return this.#runs.reduceRight<readonly string[]>((right, left) => merge(left, right, this.#limit), [])
  }

  #cut(values: readonly string[]): readonly string[] {
    return values.length > this.#limit ? values.slice(0, this.#limit) : values
  }
}

function isAscending(values: readonly string[]): boolean {
  for (let i = 1; i < values.length; i++) if (compareStrings(values[i - 1]!, values[i]!) >= 0) return false
  return true
}

function inOrder(values: readonly string[]): string[] {
  return [...new Set(values)].sort(compareStrings)
}

function merge(a: readonly string[], b: readonly string[], limit: number): readonly string[] {
  if (a.length === 0) return b
  if (b.length === 0) return a
  const merged: string[] = []
  let i = 0
  let j = 0
  while (merged.length < limit && (i < a.length || j < b.length)) {
    const order = i === a.length ? 1 : j === b.length ? -1 : compareStrings(a[i]!, b[j]!)
    if (order <= 0) merged.push(a[i++]!)
    else merged.push(b[j]!)
    if (order >= 0) j++
  }
  return merged
}
