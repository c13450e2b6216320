// The route /api/v1/metadata: what metrics are, for editors that complete and explain them.
// Specification: Prometheus 3.14, web/api/v1/api.go (metricMetadata).
// Owns its parameters and the form of the answer.
import { MnemoError } from '../../../lib/kit/errors.ts'
import { mergeMetadata, metadataCall } from '../../../lib/storeapi/metadata.ts'
import type { Params } from './params.ts'
import { type PeerRouteCall, strategyOf } from './peers.ts'
import type { Answer } from './reply.ts'

export async function answerMetadata(call: PeerRouteCall): Promise<Answer> {
  const { params, peers, signal } = call
  const limit = numberOf(params, 'limit')
  const perMetric = numberOf(params, 'limit_per_metric')
  // Each peer is asked for all: the first metrics of one need not be the first of all.
  const request = { metric: params.get('metric'), limit: -1, strategy: strategyOf(call, 'metadata') }
  const { items, warnings } = await peers.ask(metadataCall, request, signal)
  const entries = [...mergeMetadata(items, limit)].map(([name, metas]) => [
    name,
    perMetric > 0 ? metas.slice(0, perMetric) : metas,
  ])
  return { data: JSON.stringify(Object.fromEntries(entries)), warnings }
}

/** -1 where the parameter is not there. */
function numberOf(params: Params, name: string): number {
  const text = params.get(name)
  if (text === '') return -1
  if (!/^[+-]?\d{1,15}$/.test(text)) throw new MnemoError('bad_data', `${name} must be a number`)
  return Number(text)
}
