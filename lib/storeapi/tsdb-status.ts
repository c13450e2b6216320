// The gRPC Status API: cardinality statistics of the TSDBs behind peers, by tenant.
// Specification: Thanos pkg/status/statuspb/rpc.proto (proto/status.proto).
// Owns the messages, and the merging of several TSDBs' statistics, which are added as in Thanos.
import { compareStrings } from '../labels/labels.ts'
import { peerCall } from './peer-call.ts'
import { int, list, mapOf, message, nested, text } from './proto-message.ts'

/** As thanos.LabelMatcher; the type is an index into matcherTypes. */
const matcher = message('LabelMatcher', { type: int(1), name: text(2), value: text(3) })
export const matcherTypes = ['=', '!=', '=~', '!~'] as const

/** Matchers are over external labels. The tenant is deprecated: matchers say the same. */
const request = message('TSDBStatisticsRequest', {
  tenant: text(1),
  limit: int(2),
  strategy: int(3),
  matchers: list(4, matcher),
})
export type TsdbStatisticsRequest = ReturnType<typeof request.empty>

const statistic = message('Statistic', { name: text(1), value: int(2) })
export type Statistic = ReturnType<typeof statistic.empty>

const head = message('HeadStatistics', {
  numSeries: int(1),
  numLabelPairs: int(2),
  chunkCount: int(3),
  minTime: int(4),
  maxTime: int(5),
})

const tsdb = message('TSDBStatisticsEntry', {
  head: nested(1, head),
  seriesCountByMetricName: list(2, statistic),
  labelValueCountByLabelName: list(3, statistic),
  memoryInBytesByLabelName: list(4, statistic),
  seriesCountByLabelValuePair: list(5, statistic),
})
export type TsdbStatistics = ReturnType<typeof tsdb.empty>

const item = message('TSDBStatistics', { byTenant: mapOf(1, tsdb) })
export type TenantStatistics = ReturnType<typeof item.empty>

export const statusCall = peerCall('status', '/thanos.Status/TSDBStatistics', { request, item })

/** Where no TSDB has answered. */
export const noStatistics: TsdbStatistics = tsdb.empty()

/** All TSDBs' statistics as one; the lists hold as many entries as peers have sent, largest first. */
export function mergeStatistics(items: readonly TenantStatistics[]): TsdbStatistics {
  const all = items.flatMap(({ byTenant }) => [...byTenant.values()])
  const sum = (of: (one: TsdbStatistics) => number) => all.reduce((total, one) => total + of(one), 0)
  if (all.length === 0) return noStatistics
  return {
    head: {
      numSeries: sum((one) => one.head.numSeries),
      numLabelPairs: sum((one) => one.head.numLabelPairs),
      chunkCount: sum((one) => one.head.chunkCount),
      minTime: Math.min(...all.map((one) => one.head.minTime)),
      maxTime: Math.max(...all.map((one) => one.head.maxTime)),
    },
    seriesCountByMetricName: mergeLists(all, 'seriesCountByMetricName', add),
    // Different TSDBs hold the same values: the most that one has is nearer to the truth than the sum.
    labelValueCountByLabelName: mergeLists(all, 'labelValueCountByLabelName', Math.max),
    memoryInBytesByLabelName: mergeLists(all, 'memoryInBytesByLabelName', add),
    seriesCountByLabelValuePair: mergeLists(all, 'seriesCountByLabelValuePair', add),
  }
}

function add(a: number, b: number): number {
  return a + b
}

function mergeLists(
  all: readonly TsdbStatistics[],
  key: Exclude<keyof TsdbStatistics, 'head'>,
  merge: (a: number, b: number) => number,
): readonly Statistic[] {
  const values = new Map<string, number>()
  for (const one of all)
    for (const { name, value } of one[key]) {
      const known = values.get(name)
      values.set(name, known === undefined ? value : merge(known, value))
    }
  return [...values]
    .map(([name, value]) => ({ name, value }))
    .sort((a, b) => b.value - a.value || compareStrings(a.name, b.name))
}
