// What a querier's flags make of its stores: which TSDBs are queried (--selector.relabel-config), and labels that stand for the
// querier as a whole (--selector-label). Meaning: Thanos pkg/store/tsdb_selector.go and pkg/store/proxy.go.
// Owns the narrowing of endpoints, and of the requests to them.
import { bounded } from '../labels/bounded-selector.ts'
import { type Labels, labelValue, overlayLabels } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import type { Endpoint, Narrowing } from './endpoints.ts'

export interface StoreSelection {
  /** Whether a TSDB with these external labels is queried. */
  readonly keeps: (external: Labels) => boolean
  /** Labels that all stores have as seen from outside, though they do not know it. */
  readonly selectorLabels: Labels
}

/** The endpoint as far as it is selected; one without label sets may hold anything, and stays. */
export function narrowEndpoint(endpoint: Endpoint, { keeps, selectorLabels }: StoreSelection): Endpoint {
  const { labelSets } = endpoint
  const kept = labelSets.filter(keeps)
  if (kept.length === 0 && labelSets.length > 0) return { ...endpoint, hasStore: false }
  const isWhole = kept.length === labelSets.length
  if (isWhole && selectorLabels.length === 0) return endpoint
  return {
    ...endpoint,
    labelSets: (kept.length > 0 ? kept : [[]]).map((labels) => overlayLabels(labels, selectorLabels)),
    narrowing: { matchers: isWhole ? [] : matchersOf(kept), selectorLabels },
  }
}

/** A request's matchers as an endpoint that was chosen for them gets them. */
export function narrowMatchers(matchers: readonly LabelMatcher[], narrowing: Narrowing): readonly LabelMatcher[] {
  const left = matchers.filter(({ name }) => labelValue(narrowing.selectorLabels, name) === '')
  const all = [...left, ...narrowing.matchers]
  return matchers.length === 0 ? all : bounded(all)
}

/** A matcher for each label of the sets: any of their values, or none where one of them has none. */
function matchersOf(labelSets: readonly Labels[]): readonly LabelMatcher[] {
  const names = new Set(labelSets.flatMap((labels) => labels.filter((_, i) => i % 2 === 0)))
  return [...names].sort().map((name) => {
    const values = new Set(labelSets.map((labels) => quoted(labelValue(labels, name))))
    return { type: '=~', name, value: [...values].sort().join('|') }
  })
}

function quoted(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&')
}
