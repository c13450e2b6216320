// The route /api/v1/metadata: what metrics are, for editors that complete and explain them.
// Specification: Prometheus 3.14, web/api/v1/api.go (metricMetadata); partial_response is Thanos's.
// Owns its parameters and the form of the answer.
import { MnemoError } from '../../../lib/kit/errors.ts'
import type { MetadataAnswer, MetadataRequest } from '../../../lib/storeapi/metadata.ts'
import { type Params, parseBool } from './params.ts'
import type { Answer } from './reply.ts'

export async function answerMetadata(
  ask: (request: MetadataRequest, signal: AbortSignal) => Promise<MetadataAnswer>,
  params: Params,
  { partialResponse }: { readonly partialResponse: boolean },
  signal: AbortSignal,
): Promise<Answer> {
  const limit = numberOf(params, 'limit')
  const perMetric = numberOf(params, 'limit_per_metric')
  const partialResponseDisabled = !parseBool(params, 'partial_response', partialResponse)
  const request = { metric: params.get('metric'), limit, partialResponseDisabled }
  const { metadata, warnings } = await ask(request, signal)
  const entries = [...metadata].map(([name, metas]) => [name, perMetric > 0 ? metas.slice(0, perMetric) : metas])
  return { data: JSON.stringify(Object.fromEntries(entries)), warnings }
}

/** -1 where the parameter is not there. */
function numberOf(params: Params, name: string): number {
  const text = params.get(name)
  if (text === '') return -1
  if (!/^[+-]?\d{1,15}$/.test(text)) throw new MnemoError('bad_data', `${name} must be a number`)
  return Number(text)
}
