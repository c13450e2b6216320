// Prometheus's JSON of rules, targets, exemplars and TSDB statistics, made into the messages of Thanos's APIs.
// Specification: Prometheus 3.14, web/api/v1/api.go; what older versions leave out (2.42: keepFiringFor, limit, pools of
// dropped targets …) is read as empty. Owns these forms.
import { type Labels, labelsOf, overlayLabels } from '../../lib/labels/labels.ts'
import type { SeriesExemplars } from '../../lib/storeapi/exemplars.ts'
import { partialResponse } from '../../lib/storeapi/peer-call.ts'
import { zeroTimeNs } from '../../lib/storeapi/proto-message.ts'
import { type AlertInstance, alertStates, type Rule, type RuleGroup } from '../../lib/storeapi/rules.ts'
import { type Targets, targetHealths } from '../../lib/storeapi/targets.ts'
import { parseTimestampNs } from '../../lib/storeapi/timestamps.ts'
import type { Statistic, TsdbStatistics } from '../../lib/storeapi/tsdb-status.ts'

type ApiLabels = Readonly<Record<string, string>> | null

interface ApiAlert {
  readonly labels?: ApiLabels
  readonly annotations?: ApiLabels
  readonly state?: string
  readonly activeAt?: string
  readonly keepFiringSince?: string
  readonly value?: string
}

interface ApiRule {
  readonly type: string
  readonly state?: string
  readonly name?: string
  readonly query?: string
  readonly duration?: number
  readonly keepFiringFor?: number
  readonly labels?: ApiLabels
  readonly annotations?: ApiLabels
  readonly alerts?: readonly ApiAlert[] | null
  readonly health?: string
  readonly lastError?: string
  readonly evaluationTime?: number
  readonly lastEvaluation?: string
}

export interface ApiRuleGroup {
  readonly name: string
  readonly file: string
  readonly rules?: readonly ApiRule[] | null
  readonly interval?: number
  readonly limit?: number
  readonly evaluationTime?: number
  readonly lastEvaluation?: string
}

export interface ApiTargets {
  readonly activeTargets?:
    | readonly {
        readonly discoveredLabels?: ApiLabels
        readonly labels?: ApiLabels
        readonly scrapePool?: string
        readonly scrapeUrl?: string
        readonly globalUrl?: string
        readonly lastError?: string
        readonly lastScrape?: string
        readonly lastScrapeDuration?: number
        readonly health?: string
        readonly scrapeInterval?: string
        readonly scrapeTimeout?: string
      }[]
    | null
  readonly droppedTargets?: readonly { readonly discoveredLabels?: ApiLabels; readonly scrapePool?: string }[] | null
  readonly droppedTargetCounts?: Readonly<Record<string, number>> | null
}

export interface ApiSeriesExemplars {
  readonly seriesLabels?: ApiLabels
  readonly exemplars?: readonly { readonly labels?: ApiLabels; readonly value?: string; readonly timestamp?: number }[]
}

type ApiStatistics = readonly Statistic[] | null

export interface ApiTsdbStatus {
  readonly headStats?: Partial<TsdbStatistics['head']>
  readonly seriesCountByMetricName?: ApiStatistics
  readonly labelValueCountByLabelName?: ApiStatistics
  readonly memoryInBytesByLabelName?: ApiStatistics
  readonly seriesCountByLabelValuePair?: ApiStatistics
}

/** A group whose rules carry the external labels, which win over the rules' own. Alerts have none, as in Thanos. */
export function ruleGroupOf(group: ApiRuleGroup, external: Labels): RuleGroup {
  return {
    name: group.name,
    file: group.file,
    rules: (group.rules ?? []).map((rule) => ruleOf(rule, external)),
    intervalSeconds: group.interval ?? 0,
    evaluationSeconds: group.evaluationTime ?? 0,
    lastEvaluationNs: timeOf(group.lastEvaluation),
    // Prometheus evaluates over its own data alone: there is nothing partial about it.
    strategy: partialResponse.abort,
    limit: group.limit ?? 0,
  }
}

function ruleOf(rule: ApiRule, external: Labels): Rule {
  const common = {
    name: rule.name ?? '',
    query: rule.query ?? '',
    labels: overlayLabels(labelsOf(rule.labels ?? {}), external),
    health: rule.health ?? '',
    lastError: rule.lastError ?? '',
    evaluationSeconds: rule.evaluationTime ?? 0,
    lastEvaluationNs: timeOf(rule.lastEvaluation),
  }
  if (rule.type === 'recording') return { recording: common, alert: undefined }
  const alert = {
    ...common,
    state: stateOf(rule.state),
    durationSeconds: rule.duration ?? 0,
    annotations: labelsOf(rule.annotations ?? {}),
    alerts: (rule.alerts ?? []).map(alertOf),
    keepFiringForSeconds: rule.keepFiringFor ?? 0,
  }
  return { recording: undefined, alert }
}

function alertOf({ labels, annotations, state, activeAt, keepFiringSince, value }: ApiAlert): AlertInstance {
  return {
    labels: labelsOf(labels ?? {}),
    annotations: labelsOf(annotations ?? {}),
    state: stateOf(state),
    activeAtNs: activeAt === undefined ? undefined : parseTimestampNs(activeAt),
    value: value ?? '',
    // As Thanos's sidecar leaves it.
    strategy: partialResponse.warn,
    keepFiringSinceNs: keepFiringSince === undefined ? undefined : parseTimestampNs(keepFiringSince),
  }
}

function stateOf(state: string | undefined): number {
  return Math.max(0, (alertStates as readonly (string | undefined)[]).indexOf(state))
}

function timeOf(text: string | undefined): bigint {
  return text === undefined ? zeroTimeNs : parseTimestampNs(text)
}

/** Targets with the external labels, which win over their own. */
export function targetsOf(answer: ApiTargets, external: Labels): Targets {
  const enriched = (labels: ApiLabels | undefined) => overlayLabels(labelsOf(labels ?? {}), external)
  return {
    active: (answer.activeTargets ?? []).map((target) => ({
      discoveredLabels: enriched(target.discoveredLabels),
      labels: enriched(target.labels),
      scrapePool: target.scrapePool ?? '',
      scrapeUrl: target.scrapeUrl ?? '',
      globalUrl: target.globalUrl ?? '',
      lastError: target.lastError ?? '',
      lastScrapeNs: timeOf(target.lastScrape),
      lastScrapeSeconds: target.lastScrapeDuration ?? 0,
      health: healthOf(target.health),
      scrapeInterval: target.scrapeInterval ?? '',
      scrapeTimeout: target.scrapeTimeout ?? '',
    })),
    dropped: (answer.droppedTargets ?? []).map(({ discoveredLabels, scrapePool }) => ({
      discoveredLabels: enriched(discoveredLabels),
      scrapePool: scrapePool ?? '',
    })),
    droppedCounts: [...droppedCounts(answer)].map(([scrapePool, count]) => ({
      scrapePool,
      count,
      externalLabels: external,
    })),
  }
}

/** Before it could be told to forget dropped targets, Prometheus listed them all and sent no counts. */
function droppedCounts({ droppedTargetCounts, droppedTargets }: ApiTargets): ReadonlyMap<string, number> {
  if (droppedTargetCounts) return new Map(Object.entries(droppedTargetCounts))
  const counts = new Map<string, number>()
  for (const { scrapePool, discoveredLabels } of droppedTargets ?? []) {
    const pool = scrapePool ?? discoveredLabels?.job ?? ''
    counts.set(pool, (counts.get(pool) ?? 0) + 1)
  }
  return counts
}

function healthOf(health: string | undefined): number {
  const at = (targetHealths as readonly (string | undefined)[]).indexOf(health)
  return at < 0 ? targetHealths.indexOf('unknown') : at
}

export function exemplarsOf({ seriesLabels, exemplars = [] }: ApiSeriesExemplars, external: Labels): SeriesExemplars {
  return {
    seriesLabels: overlayLabels(labelsOf(seriesLabels ?? {}), external),
    exemplars: exemplars.map(({ labels, value = '0', timestamp = 0 }) => ({
      labels: labelsOf(labels ?? {}),
      value: Number(value.replace('Inf', 'Infinity')),
      timeMs: Math.round(timestamp * 1000),
    })),
  }
}

/** `limit` 0: all that Prometheus has sent. */
export function tsdbStatisticsOf(answer: ApiTsdbStatus, limit: number): TsdbStatistics {
  const cut = (list: ApiStatistics | undefined) => (limit > 0 ? (list ?? []).slice(0, limit) : (list ?? []))
  const { numSeries = 0, numLabelPairs = 0, chunkCount = 0, minTime = 0, maxTime = 0 } = answer.headStats ?? {}
  return {
    head: { numSeries, numLabelPairs, chunkCount, minTime, maxTime },
    seriesCountByMetricName: cut(answer.seriesCountByMetricName),
    labelValueCountByLabelName: cut(answer.labelValueCountByLabelName),
    memoryInBytesByLabelName: cut(answer.memoryInBytesByLabelName),
    seriesCountByLabelValuePair: cut(answer.seriesCountByLabelValuePair),
  }
}
