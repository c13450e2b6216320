// From label matchers to postings: which (name, value) lists are wanted, and the set operations over them.
// Meaning as in Prometheus (tsdb PostingsForMatchers): a missing label is '', so a matcher that accepts '' subtracts.
// Owns the plan of lookups and the operations on sorted Uint32Arrays; reading the lists is block-index.ts.
import { compareStrings } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import { compileMatcher, setMatches } from '../labels/regex.ts'

/** The lookups of all matchers on one label name. */
export interface PostingGroup {
  readonly name: string
  /**
   * Where true, a series without the label matches too: the group is all series but those of the wanted values.
   * Else it is the union of the wanted values' postings.
   */
  readonly subtract: boolean
  /** The wanted values, ascending by bytes, to be looked up one by one; undefined where the label's values have to be tried. */
  readonly values: readonly string[] | undefined
  /** Whether a value's postings are wanted. */
  readonly wants: (value: string) => boolean
}

/** The groups whose intersection is the answer. Throws `bad_data` on an invalid regular expression. */
export function postingGroups(matchers: readonly LabelMatcher[]): PostingGroup[] {
  const byName = Map.groupBy(matchers, ({ name }) => name)
  const groups = [...byName].map(([name, list]) => groupOf(name, list))
  // What subtracts nothing says nothing.
  return groups.filter(({ subtract, values }) => !(subtract && values?.length === 0))
}

function groupOf(name: string, matchers: readonly LabelMatcher[]): PostingGroup {
  const predicates = matchers.map(compileMatcher)
  const matches = (value: string): boolean => predicates.every((accepts) => accepts(value))
  const subtract = matches('')
  // Where a missing label matches, a series goes where one of the matchers refuses its value.
  const wants = (value: string): boolean => value !== '' && matches(value) !== subtract
  return { name, subtract, values: candidatesOf(matchers, predicates)?.filter(wants), wants }
}

/**
 * The only values that need to be looked at, undefined where that takes all values of the label.
 * One matcher that names its values is enough to add; to subtract, each has to name what it refuses.
 */
function candidatesOf(
  matchers: readonly LabelMatcher[],
  predicates: readonly ((value: string) => boolean)[],
): string[] | undefined {
  const adding = matchers.findIndex((matcher, i) => !predicates[i]!('') && acceptedValues(matcher) !== undefined)
  if (adding >= 0) return sortedUnique(acceptedValues(matchers[adding]!)!)
  if (!predicates.every((accepts) => accepts(''))) return undefined
  const refused: string[] = []
  for (const matcher of matchers) {
    const values = refusedValues(matcher)
    if (values === undefined) return undefined
    refused.push(...values)
  }
  return sortedUnique(refused)
}

function acceptedValues(matcher: LabelMatcher): readonly string[] | undefined {
  if (matcher.type === '=') return [matcher.value]
  return matcher.type === '=~' ? setMatches(matcher.value) : undefined
}

function refusedValues(matcher: LabelMatcher): readonly string[] | undefined {
  if (matcher.type === '!=') return [matcher.value]
  if (matcher.type === '!~') return setMatches(matcher.value)
  return matcher.type === '=~' && matcher.value === '.*' ? [] : undefined
}

function sortedUnique(values: readonly string[]): string[] {
  return [...new Set(values)].sort(compareStrings)
}

/** What is in both; lists ascending without repeats. */
export function intersect(a: Uint32Array, b: Uint32Array): Uint32Array {
  const [small, large] = a.length <= b.length ? [a, b] : [b, a]
  const out = new Uint32Array(small.length)
  let n = 0
  let from = 0
  for (const value of small) {
    from = gallop(large, value, from)
    if (from >= large.length) break
    if (large[from] === value) out[n++] = value
  }
  return out.subarray(0, n)
}

/** What is in `a` and not in `b`; lists ascending without repeats. */
export function subtract(a: Uint32Array, b: Uint32Array): Uint32Array {
  if (b.length === 0) return a
  const out = new Uint32Array(a.length)
  let n = 0
  let j = 0
  for (const value of a) {
    j = gallop(b, value, j)
    if (b[j] !== value) out[n++] = value
  }
  return out.subarray(0, n)
}

/** What is in any of the lists, ascending without repeats. */
export function union(lists: readonly Uint32Array[]): Uint32Array {
  if (lists.length === 0) return new Uint32Array(0)
  // Pairwise, as a tournament: n·log(lists) in all, two sequential reads at a time.
  let round = lists
  while (round.length > 1) {
    const next: Uint32Array[] = []
    for (let i = 0; i < round.length; i += 2)
      next.push(i + 1 < round.length ? unionOfTwo(round[i]!, round[i + 1]!) : round[i]!)
    round = next
  }
  return round[0]!
}

function unionOfTwo(a: Uint32Array, b: Uint32Array): Uint32Array {
  const out = new Uint32Array(a.length + b.length)
  let n = 0
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    const x = a[i]!
    const y = b[j]!
    out[n++] = x < y ? x : y
    if (x <= y) i++
    if (y <= x) j++
  }
  if (i < a.length) {
    out.set(a.subarray(i), n)
    n += a.length - i
  }
  if (j < b.length) {
    out.set(b.subarray(j), n)
    n += b.length - j
  }
  return n === out.length ? out : out.slice(0, n)
}

// The first position from `from` on whose value is at least `value`: steps that double, then halve.
function gallop(list: Uint32Array, value: number, from: number): number {
  let low = from
  let step = 1
  while (low + step < list.length && list[low + step]! < value) {
    low += step
    step *= 2
  }
  let high = Math.min(low + step, list.length)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (list[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}
