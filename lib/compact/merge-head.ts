// The next series of each block that is merged, by numbers: its labels as symbols of the merged list, whose order is that of their bytes.
// Algorithm: a merge of sorted lists; blocks are few, so that the smallest head is looked for among all of them.
// Owns the order alone; what is read of a series is the caller's.
import type { SeriesInput } from './series-input.ts'
import type { SymbolMerge } from './symbol-merge.ts'

export class MergeHead {
  readonly input: SeriesInput
  /** The labels of the series at hand: `length` of them, names and values in turn. */
  refs = new Uint32Array(32)
  length = 0
  readonly #number: number

  /** `number`: the block's place among those that are merged. */
  constructor(input: SeriesInput, number: number) {
    this.input = input
    this.#number = number
  }

  /** Moves to the next series. A promise only where bytes must be awaited. */
  advance(symbols: SymbolMerge): void | Promise<void> {
    const later = this.input.advance()
    if (!later) return this.#translate(symbols)
    return later.then(() => this.#translate(symbols))
  }

  #translate(symbols: SymbolMerge): void {
    const { record } = this.input
    if (!record) return
    this.length = record.labelCount * 2
    if (this.refs.length < this.length) this.refs = new Uint32Array(this.length * 2)
    symbols.translate(this.#number, { refs: record.labelRefs, length: this.length, into: this.refs })
  }

  compare(other: MergeHead): number {
    const length = Math.min(this.length, other.length)
    for (let i = 0; i < length; i++) if (this.refs[i] !== other.refs[i]) return this.refs[i]! - other.refs[i]!
    return this.length - other.length
  }
}

/** The heads at the smallest series of all, in their order; none at the end. */
export function smallest(heads: readonly MergeHead[]): MergeHead[] {
  let members: MergeHead[] = []
  for (const head of heads) {
    if (!head.input.record) continue
    const order = members.length === 0 ? 0 : head.compare(members[0]!)
    if (order < 0) members = [head]
    else if (order === 0) members.push(head)
  }
  return members
}
