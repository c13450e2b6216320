// The gRPC Rules API: groups of recording and alerting rules, with their alerts, as Prometheus and rulers know them.
// Specification: Thanos pkg/rules/rulespb/rpc.proto (proto/rules.proto); fields from 1000 on are ours, which Thanos skips.
// Owns the messages; merging is rules-merge.ts.
import { peerCall } from './peer-call.ts'
import {
  double,
  int,
  labelSet,
  list,
  message,
  optional,
  optionalTimestamp,
  text,
  texts,
  timestamp,
} from './proto-message.ts'

export const ruleTypes = ['all', 'alert', 'record'] as const
export type RuleType = (typeof ruleTypes)[number]

/** Prometheus's words; `unknown` is Thanos's for what it was not told. */
export const alertStates = ['unknown', 'inactive', 'pending', 'firing'] as const

const request = message('RulesRequest', {
  /** Index into ruleTypes. */
  type: int(1),
  strategy: int(2),
  /** Selectors; a rule must match one of them, where there are any. */
  matchers: texts(3),
  ruleNames: texts(4),
  groupNames: texts(5),
  files: texts(6),
})
export type RulesRequest = ReturnType<typeof request.empty>

const alertInstance = message('AlertInstance', {
  labels: labelSet(1),
  annotations: labelSet(2),
  /** Index into alertStates. */
  state: int(3),
  activeAtNs: optionalTimestamp(4),
  value: text(5),
  strategy: int(6),
  keepFiringSinceNs: optionalTimestamp(1000),
})
export type AlertInstance = ReturnType<typeof alertInstance.empty>

const alertingRule = message('Alert', {
  /** The highest of its alerts'. */
  state: int(1),
  name: text(2),
  query: text(3),
  durationSeconds: double(4),
  labels: labelSet(5),
  annotations: labelSet(6),
  alerts: list(7, alertInstance),
  health: text(8),
  lastError: text(9),
  evaluationSeconds: double(10),
  lastEvaluationNs: timestamp(11),
  keepFiringForSeconds: double(12),
})
export type AlertingRule = ReturnType<typeof alertingRule.empty>

const recordingRule = message('RecordingRule', {
  name: text(1),
  query: text(2),
  labels: labelSet(3),
  health: text(4),
  lastError: text(5),
  evaluationSeconds: double(6),
  lastEvaluationNs: timestamp(7),
})
export type RecordingRule = ReturnType<typeof recordingRule.empty>

/** One of the two is there. */
const rule = message('Rule', { recording: optional(1, recordingRule), alert: optional(2, alertingRule) })
export type Rule = ReturnType<typeof rule.empty>

const item = message('RuleGroup', {
  name: text(1),
  file: text(2),
  rules: list(3, rule),
  intervalSeconds: double(4),
  evaluationSeconds: double(5),
  lastEvaluationNs: timestamp(6),
  strategy: int(8),
  limit: int(9),
})
export type RuleGroup = ReturnType<typeof item.empty>

export const rulesCall = peerCall('rules', '/thanos.Rules/Rules', { request, item })
