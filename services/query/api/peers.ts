// The routes whose answers come from peers beside the StoreAPI: rules, alerts, targets, exemplars, metadata, TSDB status.
// Parameters that they share: partial_response, dedup and replicaLabels[], which are Thanos's.
// Owns what is asked of the querier for them; each has a file of its own for its parameters and its JSON.
import type { ExemplarsRequest, SeriesExemplars } from '../../../lib/storeapi/exemplars.ts'
import { type PeerAnswer, type PeerCall, type PeerRequest, partialResponse } from '../../../lib/storeapi/peer-call.ts'
import type { PeerApi } from '../../../lib/storeapi/types.ts'
import { type Params, parseBool } from './params.ts'

/** The peers, as these routes ask them. */
export interface PeerSource {
  ask<Request extends PeerRequest, Item>(
    call: PeerCall<Request, Item>,
    request: Request,
    signal: AbortSignal,
  ): Promise<PeerAnswer<Item>>
  exemplars(request: ExemplarsRequest, signal: AbortSignal): Promise<PeerAnswer<SeriesExemplars>>
}

export interface PeerDefaults {
  readonly replicaLabels: readonly string[]
  /** What a peer that does not answer means where a request does not say. */
  readonly peerPartialResponse: Readonly<Partial<Record<PeerApi, boolean>>>
}

/** A request to one of these routes. */
export interface PeerRouteCall {
  readonly params: Params
  readonly signal: AbortSignal
  readonly peers: PeerSource
  readonly defaults: PeerDefaults
}

/** Throws `bad_data`. */
export function strategyOf({ params, defaults }: PeerRouteCall, api: PeerApi): number {
  const isPartial = parseBool(params, 'partial_response', defaults.peerPartialResponse[api] ?? true)
  return isPartial ? partialResponse.warn : partialResponse.abort
}

/** None where no deduplication was asked for. Throws `bad_data`. */
export function replicaLabelsOf({ params, defaults }: PeerRouteCall): readonly string[] {
  if (!parseBool(params, 'dedup', true)) return []
  const asked = params.all('replicaLabels[]')
  return asked.length > 0 ? asked : defaults.replicaLabels
}
