// Rule groups of several peers as one list: groups of one file and name are one, rules that differ in replica labels alone too.
// Meaning: Thanos pkg/rules/rules.go, with what Prometheus says where the two differ: a rule must match one of the selectors,
// not all; the order of a group's rules stays; alerts that one replica alone has are not lost. Owns that meaning.
import { compareLabels, compareStrings, type Labels, labelsKey, labelValue, withoutLabels } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'
import { compileMatcher } from '../labels/regex.ts'
import type { AlertInstance, AlertingRule, RecordingRule, Rule, RuleGroup, RuleType } from './rules.ts'

export interface RuleChoice {
  readonly type: RuleType
  /** Alternatives, over a rule's labels as its peer sent them; none: every rule. */
  readonly matcherSets: readonly (readonly LabelMatcher[])[]
  /** Where not empty, the only ones. */
  readonly ruleNames: readonly string[]
  readonly groupNames: readonly string[]
  readonly files: readonly string[]
}

/** The chosen rules by file and group, those of replicas once; groups that are left without rules are not there. */
export function mergeRules(
  items: readonly RuleGroup[],
  choice: RuleChoice,
  replicaLabels: readonly string[],
): readonly RuleGroup[] {
  const isChosen = ruleFilter(choice)
  const replicas = new Set(replicaLabels)
  const groups = new Map<string, { group: RuleGroup; rules: Map<string, Rule> }>()
  for (const group of items) {
    if (!isAmong(choice.groupNames, group.name) || !isAmong(choice.files, group.file)) continue
    const chosen = group.rules.filter(isChosen)
    if (chosen.length === 0) continue
    const key = JSON.stringify([group.file, group.name])
    const merged = groups.get(key) ?? { group, rules: new Map<string, Rule>() }
    if (group.lastEvaluationNs > merged.group.lastEvaluationNs) merged.group = group
    groups.set(key, merged)
    for (const rule of chosen) addRule(merged.rules, withoutReplicas(rule, replicas))
  }
  return [...groups.values()]
    .map(({ group, rules }) => ({ ...group, rules: [...rules.values()].map(withSortedAlerts) }))
    .sort((a, b) => compareStrings(a.file, b.file) || compareStrings(a.name, b.name))
}

function isAmong(names: readonly string[], name: string): boolean {
  return names.length === 0 || names.includes(name)
}

function ruleFilter({ type, matcherSets, ruleNames }: RuleChoice): (rule: Rule) => boolean {
  const sets = matcherSets.map((set) =>
    set.map((matcher) => ({ name: matcher.name, accepts: compileMatcher(matcher) })),
  )
  return (rule) => {
    const { alert, recording } = rule
    const one = alert ?? recording
    if (one === undefined || (alert && type === 'record') || (recording && type === 'alert')) return false
    if (!isAmong(ruleNames, one.name)) return false
    return (
      sets.length === 0 || sets.some((set) => set.every(({ name, accepts }) => accepts(fixedValue(one.labels, name))))
    )
  }
}

/** A label whose value is a template has none as yet, as in Prometheus. */
function fixedValue(labels: Labels, name: string): string {
  const value = labelValue(labels, name)
  return value.includes('{{') ? '' : value
}

function withoutReplicas({ alert, recording }: Rule, replicas: ReadonlySet<string>): Rule {
  return {
    recording: recording && { ...recording, labels: withoutLabels(recording.labels, replicas) },
    alert: alert && { ...alert, labels: withoutLabels(alert.labels, replicas) },
  }
}

function addRule(rules: Map<string, Rule>, { alert, recording }: Rule): void {
  const one = alert ?? recording!
  const key = JSON.stringify([alert !== undefined, one.name, one.labels, one.query, alert?.durationSeconds])
  const known = rules.get(key)
  if (known === undefined) rules.set(key, { alert, recording })
  else if (alert && known.alert) rules.set(key, { alert: mergeAlerts(known.alert, alert), recording: undefined })
  else if (recording && known.recording) rules.set(key, { recording: youngest(known.recording, recording), alert })
}

/** Prometheus sends them in any order. */
function withSortedAlerts({ alert, recording }: Rule): Rule {
  const alerts = alert?.alerts.toSorted((a, b) => compareLabels(a.labels, b.labels)) ?? []
  return { recording, alert: alert && { ...alert, alerts } }
}

function youngest(a: RecordingRule, b: RecordingRule): RecordingRule {
  return b.lastEvaluationNs > a.lastEvaluationNs ? b : a
}

/** The rule of the replica that is further (firing before pending), then of the youngest; with the other's alerts too. */
function mergeAlerts(a: AlertingRule, b: AlertingRule): AlertingRule {
  const isSecondShown = b.state === a.state ? b.lastEvaluationNs > a.lastEvaluationNs : b.state > a.state
  const [shown, other] = isSecondShown ? [b, a] : [a, b]
  // A label that is a template may have the value in it, which replicas do not agree upon.
  const templates = new Set(shown.labels.filter((_, i) => i % 2 === 0 && shown.labels[i + 1]!.includes('{{')))
  const keyOf = ({ labels }: AlertInstance) => labelsKey(withoutLabels(labels, templates))
  const alerts = [...shown.alerts]
  const places = new Map(alerts.map((alert, i) => [keyOf(alert), i]))
  for (const alert of other.alerts) {
    const at = places.get(keyOf(alert))
    if (at === undefined) alerts.push(alert)
    else if (alert.state > alerts[at]!.state) alerts[at] = alert
  }
  return { ...shown, alerts }
}
