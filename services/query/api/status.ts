// The routes about the querier itself: /status/buildinfo, runtimeinfo, config, /features, /alertmanagers.
// Specification: Prometheus 3.14, web/api/v1/api.go and util/features; what is about Go or a Prometheus's own data is empty or 0.
// Owns what of that is true of a querier.
import { availableParallelism, hostname } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import { version } from '../../../lib/kit/version.ts'
import { functions } from '../../../lib/promql/parse/functions.ts'
import type { ParseOptions } from '../../../lib/promql/parse/token-stream.ts'

/** Without a list of features here: by that Grafana knows Mimir. */
export const buildInfo = {
  version,
  revision: '',
  branch: '',
  buildUser: '',
  buildDate: '',
  goVersion: `node ${process.version}`,
}

export function runtimeInfo(startTime: string, nowMs: number) {
  return {
    startTime,
    CWD: process.cwd(),
    hostname: hostname(),
    serverTime: new Date(nowMs).toISOString(),
    reloadConfigSuccess: true,
    lastConfigTime: startTime,
    corruptionCount: 0,
    goroutineCount: 0,
    GOMAXPROCS: availableParallelism(),
    GOMEMLIMIT: getHeapStatistics().heap_size_limit,
    GOGC: '',
    GODEBUG: '',
    storageRetention: '',
  }
}

/** A querier sends no alerts. */
export const alertmanagers = { activeAlertmanagers: [], droppedAlertmanagers: [] }

/** What of PromQL is behind flags. */
export interface PromqlFeatures extends ParseOptions {
  readonly delayedNameRemoval?: boolean
  readonly typeAndUnitLabels?: boolean
}

const operators =
  '!= !~ % * + - / < </ <= == =~ > >/ >= @ ^ and atan2 avg bottomk count count_values group max min or quantile stddev stdvar ' +
  'sum topk unless'

const keywords =
  'at_modifier bool by group_left group_right ignoring negative_offset offset on per_query_lookback_delta subqueries without'

/** /features: by category, each with whether it is on; categories and names in order, as Prometheus sorts them. */
export function describeFeatures(on: PromqlFeatures) {
  const isExperimental = on.experimentalFunctions ?? false
  const all = (names: string, value = true) => names.split(' ').map((name): [string, boolean] => [name, value])
  const categories: Record<string, readonly (readonly [string, boolean])[]> = {
    api: [
      ...all('exclude_alerts label_values_match query_stats query_warnings time_range_labels time_range_series'),
      ...all('admin lifecycle otlp_write_receiver remote_write_receiver search', false),
    ],
    promql: [
      ...all(keywords),
      ...all('anchored smoothed', on.extendedRangeSelectors ?? false),
      ...all('fill fill_left fill_right', on.fillModifiers ?? false),
      ['delayed_name_removal', on.delayedNameRemoval ?? false],
      ['duration_expr', on.durationExpressions ?? false],
      ['per_step_stats', false],
      ['type_and_unit_labels', on.typeAndUnitLabels ?? false],
    ],
    promql_functions: [...functions.values()].map(({ name, experimental }) => [name, isExperimental || !experimental]),
    promql_operators: [...all(operators), ...all('limit_ratio limitk', isExperimental)],
    tsdb: [['native_histograms', true], ['xor2_encoding', true]], // biome-ignore format: a list
  }
  return Object.fromEntries(Object.entries(categories).map(([name, list]) => [name, Object.fromEntries(sorted(list))]))
}

function sorted(list: readonly (readonly [string, boolean])[]) {
  return list.toSorted(([a], [b]) => (a < b ? -1 : 1))
}
