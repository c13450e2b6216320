// The route /api/v1/status/tsdb: cardinality of the TSDBs behind the querier, added up.
// Specification: Prometheus 3.14, web/api/v1/api.go (serveTSDBStatus); match[] over external labels is Thanos's.
// Owns its parameters and the JSON.
import { MnemoError } from '../../../lib/kit/errors.ts'
import { parseSelector } from '../../../lib/promql/parse/parser.ts'
import { matcherTypes, mergeStatistics, type Statistic, statusCall } from '../../../lib/storeapi/tsdb-status.ts'
import { int64Json } from './int64.ts'
import type { Params } from './params.ts'
import { type PeerRouteCall, strategyOf } from './peers.ts'
import type { Answer } from './reply.ts'

const defaultLimit = 10
const maxLimit = 10_000
/** What is low in each TSDB's list may be high in the sum: so many times the entries that are shown are asked for. */
const askedPerShown = 5

export async function answerTsdbStatus(call: PeerRouteCall): Promise<Answer> {
  const { params, peers, signal } = call
  const limit = limitOf(params)
  const matchers = params
    .all('match[]')
    .flatMap(parseSelector)
    .map(({ type, name, value }) => ({ type: matcherTypes.indexOf(type), name, value }))
  const asked = Math.min(limit * askedPerShown, maxLimit)
  const request = { tenant: '', limit: asked, strategy: strategyOf(call, 'status'), matchers }
  const { items, warnings } = await peers.ask(statusCall, request, signal)
  const { head, ...lists } = mergeStatistics(items)
  const cut = (list: readonly Statistic[]) => list.slice(0, limit)
  const data = {
    headStats: Object.fromEntries(Object.entries(head).map(([name, value]) => [name, int64Json(value)])),
    ...Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, cut(list)])),
  }
  return { data: JSON.stringify(data), warnings }
}

function limitOf(params: Params): number {
  const text = params.get('limit')
  if (text === '') return defaultLimit
  const limit = /^\+?\d{1,15}$/.test(text) ? Number(text) : 0
  if (limit < 1) throw new MnemoError('bad_data', 'limit must be a positive number')
  if (limit > maxLimit) throw new MnemoError('bad_data', `limit must not exceed ${maxLimit}`)
  return limit
}
