// Puts a block's series, which come in the order of their own labels, into the order of the labels that are answered:
// with external labels added, replica labels removed. Holds back only what may still be overtaken.
// Owns that order. Why it changes: {a} comes before {a,b} as a prefix, but {a,c="ext"} comes after {a,b,c="ext"};
// and where an inner label is removed or overridden, series of one metric may come in any order.
import { compareLabels, compareStrings, type Labels } from '../labels/labels.ts'

export interface OrderedItem {
  /** As in the index. */
  readonly own: Labels
  /** As answered. */
  readonly labels: Labels
}

export interface LabelChange {
  /** External labels that are added. */
  readonly added: Labels
  /** Names that are removed from a series, or overridden, where a series of this block may have them itself. */
  readonly innerNames: readonly string[]
  /** The first label's name of the last series that will come, if it is known: none that comes has a later one. */
  readonly lastFirstName: string | undefined
}

/** Takes items in ascending order of `own`; gives them back in ascending order of `labels`. */
export class SeriesOrder<T extends OrderedItem> {
  readonly #lastAdded: string | undefined
  readonly #hasInner: boolean
  /** Whether each series begins with a label that no change touches. */
  readonly #isGrouped: boolean
  /** Mode without inner names: ascending by `labels`. Else: as they came. */
  #held: T[] = []

  constructor(change: LabelChange) {
    this.#lastAdded = change.added.at(-2)
    this.#hasInner = change.innerNames.length > 0
    const last = change.lastFirstName
    this.#isGrouped = last !== undefined && change.innerNames.every((name) => compareStrings(last, name) < 0)
  }

  /** Appends to `out` what nothing after `item` can come before. */
  push(item: T, out: T[]): void {
    if (this.#hasInner) {
      const first = this.#held[0]
      if (this.#isGrouped && first && isOtherGroup(first.own, item.own)) this.end(out)
      this.#held.push(item)
      return
    }
    let released = 0
    while (released < this.#held.length && !this.#canBeOvertaken(this.#held[released]!.own, item.own)) released++
    out.push(...this.#held.splice(0, released))
    let at = this.#held.length
    while (at > 0 && compareLabels(this.#held[at - 1]!.labels, item.labels) > 0) at--
    this.#held.splice(at, 0, item)
  }

  /** Appends the rest: no more items follow. */
  end(out: T[]): void {
    this.#held.sort((a, b) => compareLabels(a.labels, b.labels))
    for (const item of this.#held) out.push(item)
    this.#held = []
  }

  /** Whether `next`, or what follows it, may come before a held series: it continues that one with a label that sorts before an added one. */
  #canBeOvertaken(held: Labels, next: Labels): boolean {
    if (this.#lastAdded === undefined || next.length <= held.length) return false
    for (let i = 0; i < held.length; i++) if (held[i] !== next[i]) return false
    return compareStrings(next[held.length]!, this.#lastAdded) < 0
  }
}

/** Whether two series differ in their first label: the metric's name, mostly. A series without labels is of every group. */
function isOtherGroup(held: Labels, next: Labels): boolean {
  return held.length > 0 && (held[0] !== next[0] || held[1] !== next[1])
}
