// Label names and values of one block: from the index-header alone, or of the series that matchers select.
// Owns that choice. Selected series are looked at by their symbol numbers: a name or value becomes a string once.
import { compareStrings, type Labels, labelValue } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import type { ReadableBlock } from './block-series.ts'
import type { ReadStats } from './read-stats.ts'

/** Bytes of index pages that one block's batch may hold. */
const maxBatchBytes = 1 << 20

export interface LabelsQuery {
  /** Without those on external labels; none: the whole block is meant. */
  readonly matchers: readonly LabelMatcher[]
  /** Inclusive, ms. */
  readonly minTime: number
  readonly maxTime: number
  readonly removedLabels: ReadonlySet<string>
  /** How many are wanted at most; 0: all. More may come. */
  readonly limit: number
}

/** Label names, external ones with them, without the removed ones; ascending by bytes. */
export async function blockLabelNames(
  block: ReadableBlock,
  query: LabelsQuery,
  stats: ReadStats,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const names = new Set<string>()
  if (query.matchers.length === 0) for (const name of block.index.labelNames()) names.add(name)
  else
    for (const symbol of await selectedSymbols(block, query, { stats, signal, take: (name) => name }))
      names.add(block.index.symbol(symbol))
  // A block without a selected series has no names: not even the external ones.
  if (names.size > 0) for (let i = 0; i < block.externalLabels.length; i += 2) names.add(block.externalLabels[i]!)
  return [...names.difference(query.removedLabels)].sort(compareStrings)
}

/** Values of a label; of an external label that one alone, as it overrides the series' own. Ascending by bytes. */
export async function blockLabelValues(
  block: ReadableBlock,
  label: string,
  query: LabelsQuery,
  stats: ReadStats,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const external = labelValue(block.externalLabels, label)
  if (query.matchers.length === 0) return external === '' ? block.index.labelValues(label, query.limit) : [external]
  const isExternal = external !== ''
  const matchers: readonly LabelMatcher[] = isExternal
    ? query.matchers
    : [...query.matchers, { type: '!=', name: label, value: '' }]
  let wanted: number | undefined
  const take = (name: number, value: number): number | undefined => {
    if (isExternal) return 0
    if (wanted === undefined && block.index.symbol(name) === label) wanted = name
    return name === wanted ? value : undefined
  }
  const symbols = await selectedSymbols(block, { ...query, matchers }, { stats, signal, take })
  if (isExternal) return symbols.size > 0 ? [external] : []
  // Symbols are numbered in their order.
  return [...Uint32Array.from(symbols).sort()].map((symbol) => block.index.symbol(symbol))
}

/** What `take` takes of each label of the selected series, as symbol numbers; undefined is nothing. */
async function selectedSymbols(
  block: ReadableBlock,
  query: LabelsQuery,
  {
    stats,
    signal,
    take,
  }: {
    stats: ReadStats
    signal: AbortSignal
    take: (name: number, value: number) => number | undefined
  },
): Promise<Set<number>> {
  const found = new Set<number>()
  const refs = await block.index.postings(query.matchers, stats, signal)
  for await (const { series } of block.index.entries(refs, { ...query, maxBatchBytes }, stats, signal)) {
    for (const { symbols } of series) {
      for (let i = 0; i < symbols.length; i += 2) {
        const symbol = take(symbols[i]!, symbols[i + 1]!)
        if (symbol !== undefined) found.add(symbol)
      }
    }
  }
  return found
}

/** A request's matcher with its predicate. */
export interface CompiledMatcher {
  readonly matcher: LabelMatcher
  readonly accepts: (value: string) => boolean
}

/** The matchers that are left to a block once those on its external labels are decided; undefined where one of them rules it out. */
export function matchersInside(
  externalLabels: Labels,
  matchers: readonly CompiledMatcher[],
): LabelMatcher[] | undefined {
  const left: LabelMatcher[] = []
  for (const { matcher, accepts } of matchers) {
    const value = labelValue(externalLabels, matcher.name)
    // An external label overrides the series' own, so that its matcher is decided for all series of the block.
    if (value === '') left.push(matcher)
    else if (!accepts(value)) return undefined
  }
  return left
}
