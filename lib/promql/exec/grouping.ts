// Groups of an aggregation, and match groups of a binary operation: a key and labels from a series' labels.
// Specification: Prometheus 3.14, promql/engine.go (generateGroupingKey, generateGroupingLabels, rangeEval's signatures).
// Owns how label sets become map keys.

import { compareStrings, type Labels, labelsKey, metricName, withoutLabels } from '../../labels/labels.ts'
import type { VectorMatching } from '../parse/ast.ts'
import type { Grouping } from '../plan/plan.ts'

/** Labels that stand for a group, and a string that is equal for equal ones alone. */
export interface GroupKeys {
  key(labels: Labels): string
  labels(labels: Labels): Labels
}

// A lone surrogate is in no label: those come from UTF-8.
const separator = '\ud800'

/** by (…) or without (…). */
export function groupKeys({ labels: names, without }: Grouping): GroupKeys {
  if (without) {
    const dropped = new Set([...names, metricName])
    const labels = (of: Labels) => withoutLabels(of, dropped)
    return { key: (of) => labelsKey(labels(of)), labels }
  }
  if (names.length === 0) return { key: () => '', labels: () => [] }
  const sorted = [...new Set(names)].sort(compareStrings)
  return { key: (of) => valuesKey(of, sorted), labels: (of) => onlyLabels(of, sorted) }
}

/** on (…) or ignoring (…), the metric name always among the ignored. */
export function matchKeys({ labels: names, on }: VectorMatching): (labels: Labels) => string {
  if (!on) return groupKeys({ labels: names, without: true }).key
  const sorted = [...new Set(names)].sort(compareStrings)
  return (labels) => valuesKey(labels, sorted)
}

/** Labels that a match group has in common, for messages. */
export function matchLabels({ labels: names, on }: VectorMatching, labels: Labels): Labels {
  if (on) return onlyLabels(labels, [...new Set(names)].sort(compareStrings))
  return withoutLabels(labels, new Set([...names, metricName]))
}

/** Values of sorted names, '' for missing ones. */
function valuesKey(labels: Labels, sorted: readonly string[]): string {
  let key = ''
  let at = 0
  for (let n = 0; n < sorted.length; n++) {
    const name = sorted[n]!
    if (n > 0) key += separator
    for (let i = at; i < labels.length; i += 2) {
      if (labels[i] !== name) continue
      key += labels[i + 1]!
      at = i + 2
      break
    }
  }
  return key
}

function onlyLabels(labels: Labels, sorted: readonly string[]): Labels {
  const out: string[] = []
  for (let i = 0; i < labels.length; i += 2) if (sorted.includes(labels[i]!)) out.push(labels[i]!, labels[i + 1]!)
  return out
}
