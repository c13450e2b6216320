// The routes /api/v1/rules and /api/v1/alerts: rules and alerts of all Prometheus and rulers behind the querier.
// Specification: Prometheus 3.14, web/api/v1/api.go (rules, alerts); partialResponseStrategy is Thanos's.
// Owns their parameters, pages of groups among them, and the JSON.
import { createHash } from 'node:crypto'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { labelsToObject } from '../../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../../lib/labels/matcher.ts'
import { quoteGo } from '../../../lib/promql/functions/go-format.ts'
import { partialResponse } from '../../../lib/storeapi/peer-call.ts'
import {
  type AlertInstance,
  type AlertingRule,
  alertStates,
  type RecordingRule,
  type Rule,
  type RuleGroup,
  type RuleType,
  rulesCall,
  ruleTypes,
} from '../../../lib/storeapi/rules.ts'
import { mergeRules } from '../../../lib/storeapi/rules-merge.ts'
import { formatTimestampNs } from '../../../lib/storeapi/timestamps.ts'
import { inParameter, type Params, parseBool } from './params.ts'
import { type PeerRouteCall, replicaLabelsOf, strategyOf } from './peers.ts'
import type { Answer } from './reply.ts'
import { matcherSetsOf } from './requests.ts'

export async function answerRules(call: PeerRouteCall): Promise<Answer> {
  const { params } = call
  const matcherSets = matcherSetsOf(params)
  const type = typeOf(params)
  const withAlerts = !inParameter('exclude_alerts', () =>
    parseBool(params, 'exclude_alerts', false, 'error converting exclude_alerts'),
  )
  const page = pageOf(params)
  const { groups, warnings } = await askRules(call, type, matcherSets)
  const { shown, nextToken } = page === undefined ? { shown: groups } : cutPage(groups, page)
  const data = { groups: shown.map((group) => describeGroup(group, withAlerts)), groupNextToken: nextToken }
  return { data: JSON.stringify(data), warnings }
}

export async function answerAlerts(call: PeerRouteCall): Promise<Answer> {
  const { groups, warnings } = await askRules(call, 'alert', [])
  const alerts = groups.flatMap(({ rules }) => rules.flatMap(({ alert }) => alert?.alerts ?? []))
  return { data: JSON.stringify({ alerts: alerts.map(describeAlert) }), warnings }
}

async function askRules(call: PeerRouteCall, type: RuleType, matcherSets: readonly (readonly LabelMatcher[])[]) {
  const { params, peers, signal } = call
  const names = {
    ruleNames: params.all('rule_name[]'),
    groupNames: params.all('rule_group[]'),
    files: params.all('file[]'),
  }
  const matchers = params.all('match[]')
  const request = { type: ruleTypes.indexOf(type), strategy: strategyOf(call, 'rules'), matchers, ...names }
  const replicaLabels = replicaLabelsOf(call)
  const { items, warnings } = await peers.ask(rulesCall, request, signal)
  return { groups: mergeRules(items, { type, matcherSets, ...names }, replicaLabels), warnings }
}

/** Also `all`, which is Thanos's. */
function typeOf(params: Params): RuleType {
  const text = params.get('type').toLowerCase()
  const type = ruleTypes.find((known) => known === (text || 'all'))
  if (type !== undefined) return type
  return inParameter('type', () => {
    throw new MnemoError('bad_data', `not supported value ${quoteGo(text)}`)
  })
}

interface Page {
  readonly limit: number
  /** '': from the first group on. */
  readonly token: string
}

function pageOf(params: Params): Page | undefined {
  const text = params.get('group_limit')
  const token = params.get('group_next_token')
  const bad = (name: string, message: string): never =>
    inParameter(name, () => {
      throw new MnemoError('bad_data', message)
    })
  if (text === '' && token !== '')
    return bad('group_next_token', 'group_limit needs to be present in order to paginate over the groups')
  if (text === '') return undefined
  if (!/^[+-]?\d{1,9}$/.test(text))
    return bad('group_limit', `group_limit needs to be a valid number: strconv.ParseInt: parsing ${quoteGo(text)}: invalid syntax`) // biome-ignore format: one line
  if (Number(text) <= 0) return bad('group_limit', 'group_limit needs to be greater than 0')
  return { limit: Number(text), token }
}

function cutPage(groups: readonly RuleGroup[], { limit, token }: Page) {
  const at = token === '' ? 0 : groups.findIndex((group) => tokenOf(group) === token)
  if (at < 0)
    inParameter('group_next_token', () => {
      throw new MnemoError('bad_data', `invalid group_next_token '${token}'. were rule groups changed?`)
    })
  const next = groups[at + limit]
  return { shown: groups.slice(at, at + limit), ...(next && { nextToken: tokenOf(next) }) }
}

function tokenOf({ file, name }: RuleGroup): string {
  return createHash('sha256').update(`${file};${name}`).digest('hex')
}

function describeGroup(group: RuleGroup, withAlerts: boolean) {
  return {
    name: group.name,
    file: group.file,
    rules: group.rules.map((rule) => describeRule(rule, withAlerts)),
    interval: group.intervalSeconds,
    limit: group.limit,
    evaluationTime: group.evaluationSeconds,
    lastEvaluation: formatTimestampNs(group.lastEvaluationNs),
    partialResponseStrategy: strategyName(group.strategy),
  }
}

function describeRule({ alert, recording }: Rule, withAlerts: boolean) {
  return alert ? describeAlertingRule(alert, withAlerts) : describeRecordingRule(recording!)
}

function describeAlertingRule(rule: AlertingRule, withAlerts: boolean) {
  return {
    state: stateName(rule.state),
    name: rule.name,
    query: rule.query,
    duration: rule.durationSeconds,
    keepFiringFor: rule.keepFiringForSeconds,
    labels: labelsToObject(rule.labels),
    annotations: labelsToObject(rule.annotations),
    alerts: withAlerts ? rule.alerts.map(describeAlert) : null,
    ...evaluationOf(rule),
    type: 'alerting',
  }
}

function describeRecordingRule(rule: RecordingRule) {
  return {
    name: rule.name,
    query: rule.query,
    labels: labelsToObject(rule.labels),
    ...evaluationOf(rule),
    type: 'recording',
  }
}

function evaluationOf({ health, lastError, evaluationSeconds, lastEvaluationNs }: AlertingRule | RecordingRule) {
  return {
    health,
    ...(lastError !== '' && { lastError }),
    evaluationTime: evaluationSeconds,
    lastEvaluation: formatTimestampNs(lastEvaluationNs),
  }
}

function describeAlert(alert: AlertInstance) {
  const { labels, annotations, state, activeAtNs, keepFiringSinceNs, value, strategy } = alert
  return {
    labels: labelsToObject(labels),
    annotations: labelsToObject(annotations),
    state: stateName(state),
    ...(activeAtNs !== undefined && { activeAt: formatTimestampNs(activeAtNs) }),
    ...(keepFiringSinceNs !== undefined && { keepFiringSince: formatTimestampNs(keepFiringSinceNs) }),
    value,
    partialResponseStrategy: strategyName(strategy),
  }
}

function stateName(state: number): string {
  return alertStates[state] ?? 'unknown'
}

function strategyName(strategy: number): string {
  return strategy === partialResponse.abort ? 'ABORT' : 'WARN'
}
