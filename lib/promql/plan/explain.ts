// A plan in words: a line an operator, those below it as its children.
// Shape: Thanos's engine (engine/explain.go): {"name": …, "children": […]}.
// Owns the wording; nothing parses it.

import { formatLabelName, formatMatcher } from '../parse/format.ts'
import { shownLabels } from './optimise/project-labels.ts'
import type { Grouping, MatrixPlan, QueryPlan, ScalarPlan, Select, VectorPlan } from './plan.ts'
import { type AnyPlan, partsOf } from './walk.ts'

export interface Explanation {
  readonly name: string
  readonly children?: readonly Explanation[]
}

/** The whole plan. */
export function explainPlan(query: QueryPlan): Explanation {
  return query.type === 'string' ? { name: `string: ${JSON.stringify(query.value)}` } : explain(query.plan)
}

function explain(plan: AnyPlan): Explanation {
  const children = partsOf(plan).map(explain)
  return { name: describeOperator(plan), ...(children.length > 0 && { children }) }
}

/** One operator without those below it. */
export function describeOperator(plan: AnyPlan): string {
  switch (plan.kind) {
    case 'selector':
      return `selector${plan.shows === 'value' ? '' : ` of ${plan.shows}`}: ${selectText(plan.select)}`
    case 'range_selector':
      return `range selector: ${selectText(plan.select, plan.rangeMs)}`
    case 'subquery':
      return `subquery: range ${plan.rangeMs} ms, step ${plan.stepMs > 0 ? `${plan.stepMs} ms` : 'by default'}${timeText(plan)}`
    case 'aggregate':
    case 'rank':
      return `aggregate: ${plan.op}${groupingText(plan.grouping)}`
    case 'quantile':
    case 'count_values':
      return `aggregate: ${plan.kind}${groupingText(plan.grouping)}`
    case 'shared':
      return `shared: part ${plan.id}, used ${plan.uses} times`
    default:
      return describeOther(plan)
  }
}

type Other = Exclude<
  VectorPlan | ScalarPlan | MatrixPlan,
  { kind: 'selector' | 'range_selector' | 'subquery' | 'aggregate' | 'rank' | 'quantile' | 'count_values' | 'shared' }
>

function describeOther(plan: Other): string {
  switch (plan.kind) {
    case 'window':
    case 'map':
    case 'histogram':
    case 'histogram_value':
    case 'scalar_call':
      return `function: ${plan.func}`
    case 'number':
      return `number: ${plan.value}`
    case 'vector_binary':
    case 'set': {
      const { on, labels, card } = plan.matching
      return `binary: ${plan.op}, ${card}, ${on ? 'on' : 'ignoring'} (${labels.map(formatLabelName).join(', ')})`
    }
    case 'vector_scalar':
      return `binary: ${plan.swapped ? `scalar ${plan.op} vector` : `vector ${plan.op} scalar`}`
    case 'scalar_binary':
      return `binary: scalar ${plan.op} scalar`
    case 'vector_invariant':
    case 'scalar_invariant':
      return 'once for all steps'
    default:
      return `function: ${plan.kind}`
  }
}

function selectText(select: Select, rangeMs?: number): string {
  const { matchers, extended } = select
  const range = rangeMs === undefined ? '' : `[${rangeMs} ms]`
  const matched = `{${matchers.map(formatMatcher).sort().join(', ')}}`
  return `${matched}${range}${extended ? ` ${extended}` : ''}${timeText(select)}${projectionText(select)}`
}

function projectionText({ projection }: Select): string {
  if (!projection) return ''
  const names = shownLabels(projection).map(formatLabelName).join(', ')
  return `; labels: ${projection.without ? `all but ${names}` : names || 'none'}`
}

function timeText({ offsetMs, atMs }: { readonly offsetMs: number; readonly atMs: number | undefined }): string {
  return `${atMs === undefined ? '' : ` @ ${atMs / 1000}`}${offsetMs === 0 ? '' : ` offset ${offsetMs} ms`}`
}

function groupingText({ labels, without }: Grouping): string {
  if (labels.length === 0 && !without) return ''
  return ` ${without ? 'without' : 'by'} (${labels.map(formatLabelName).join(', ')})`
}
