// label_replace and label_join: the same samples under other labels.
// Specification: Prometheus 3.14, promql/functions.go (evalLabelReplace, evalLabelJoin).
// Owns the two operators, and what they refuse once they are evaluated; series that become equal are merged.

import { type Labels, labelsOf, labelValue, metricName, overlayLabels, withoutLabels } from '../../labels/labels.ts'
import { type AnchoredRegex, compileAnchored, compileTemplate, expandMatch } from '../../labels/regex-template.ts'
import type { LabelJoinPlan, LabelReplacePlan } from '../plan/plan.ts'
import { type Context, executionError, type SeriesStream } from './context.ts'
import { mergeEqualLabels } from './matrix.ts'

export async function* labelReplaceOperator(plan: LabelReplacePlan, context: Context): SeriesStream {
  const regex = compile(plan.regex)
  checkLabelName(plan.target, 'destination label name in label_replace()')
  const expand = [compileTemplate(plan.replacement)]
  const values = new Map<string, string | undefined>()
  const relabel = (labels: Labels) => {
    const source = labelValue(labels, plan.sourceLabel)
    if (!values.has(source)) values.set(source, expandMatch(regex, expand, source)?.[0])
    return values.get(source)
  }
  yield* mergeEqualLabels(setLabel(plan, context, relabel), context)
}

export async function* labelJoinOperator(plan: LabelJoinPlan, context: Context): SeriesStream {
  for (const source of plan.sources) checkLabelName(source, 'source label name in label_join()')
  checkLabelName(plan.target, 'destination label name in label_join()')
  const relabel = (labels: Labels) => plan.sources.map((name) => labelValue(labels, name)).join(plan.separator)
  yield* mergeEqualLabels(setLabel(plan, context, relabel), context)
}

/** Sets the target to what `value` yields; '' removes it, undefined leaves the series as it is. */
async function* setLabel(
  { child, target }: LabelReplacePlan | LabelJoinPlan,
  context: Context,
  value: (labels: Labels) => string | undefined,
): SeriesStream {
  for await (const series of context.query.run.vector(child, context)) {
    const text = value(series.labels)
    if (text === undefined) {
      yield series
      continue
    }
    const rest = withoutLabels(series.labels, new Set([target]))
    const labels = overlayLabels(rest, labelsOf([[target, text]]))
    yield { ...series, labels, dropName: series.dropName && target !== metricName }
  }
}

function compile(pattern: string): AnchoredRegex {
  try {
    return compileAnchored(pattern)
  } catch {
    // As in Prometheus, without what is wrong with it.
    throw executionError(`invalid regular expression in label_replace(): ${pattern}`)
  }
}

// Any name in UTF-8 but the empty one.
function checkLabelName(name: string, what: string): void {
  if (name === '' || !name.isWellFormed()) throw executionError(`invalid ${what}: ${name}`)
}
