// The route /api/v1/query_exemplars: exemplars of the series that a query reads.
// Specification: Prometheus 3.14, web/api/v1/api.go (queryExemplars).
// Owns its parameters and the JSON.
import { MnemoError } from '../../../lib/kit/errors.ts'
import { labelsToObject } from '../../../lib/labels/labels.ts'
import { formatTimestamp, formatValue } from '../../../lib/promql/format-number.ts'
import { mergeExemplars } from '../../../lib/storeapi/exemplars.ts'
import { noBoundMs } from '../../../lib/storeapi/types.ts'
import { type PeerRouteCall, replicaLabelsOf, strategyOf } from './peers.ts'
import type { Answer } from './reply.ts'
import { timeParameter } from './requests.ts'

export async function answerExemplars(call: PeerRouteCall): Promise<Answer> {
  const { params, peers, signal } = call
  const startMs = timeParameter(params, 'start', -noBoundMs)
  const endMs = timeParameter(params, 'end', noBoundMs)
  if (endMs < startMs) throw new MnemoError('bad_data', 'end timestamp must not be before start timestamp')
  const replicaLabels = replicaLabelsOf(call)
  const strategy = strategyOf(call, 'exemplars')
  const { items, warnings } = await peers.exemplars({ query: params.get('query'), startMs, endMs, strategy }, signal)
  const series = mergeExemplars(items, replicaLabels).map(({ seriesLabels, exemplars }) => {
    const points = exemplars.map(
      ({ labels, value, timeMs }) =>
        `{"labels":${JSON.stringify(labelsToObject(labels))},"value":"${formatValue(value)}","timestamp":${formatTimestamp(timeMs)}}`,
    )
    return `{"seriesLabels":${JSON.stringify(labelsToObject(seriesLabels))},"exemplars":[${points.join(',')}]}`
  })
  return { data: `[${series.join(',')}]`, warnings }
}
