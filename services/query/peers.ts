// What peers know beside series: Rules, Targets, Metadata, Exemplars and Status, asked of all that serve it, side by side.
// Meaning: Thanos pkg/{rules,targets,metadata,exemplars,status}/proxy.go. A peer that is down or fails is a warning that
// names it, or an error. Owns nothing; calls go over the main thread's connections, for answers are small.
import { describeError, MnemoError } from '../../lib/kit/errors.ts'
import type { GrpcService } from '../../lib/kit/grpc.ts'
import { bounded } from '../../lib/labels/bounded-selector.ts'
import { labelValue } from '../../lib/labels/labels.ts'
import { formatSelector, type LabelMatcher } from '../../lib/labels/matcher.ts'
import { parseExpr } from '../../lib/promql/parse/parser.ts'
import { selectorsOf } from '../../lib/promql/parse/selectors-of.ts'
import type { ParseOptions } from '../../lib/promql/parse/token-stream.ts'
import { type Endpoint, mayKnow } from '../../lib/storeapi/endpoints.ts'
import { type ExemplarsRequest, exemplarsCall, type SeriesExemplars } from '../../lib/storeapi/exemplars.ts'
import { abortReason, storeError } from '../../lib/storeapi/merge.ts'
import { mergeMetadata, metadataCall, metadataItem } from '../../lib/storeapi/metadata.ts'
import {
  type PeerAnswer,
  type PeerCall,
  type PeerRequest,
  partialResponse,
  peerService,
} from '../../lib/storeapi/peer-call.ts'
import { rulesCall } from '../../lib/storeapi/rules.ts'
import type { StoreServiceOptions } from '../../lib/storeapi/server.ts'
import { targetsCall } from '../../lib/storeapi/targets.ts'
import { statusCall } from '../../lib/storeapi/tsdb-status.ts'
import type { PeerApi } from '../../lib/storeapi/types.ts'
import type { Connections } from './connections.ts'

export interface PeersOptions {
  readonly stores: { readonly endpoints: readonly Endpoint[] }
  readonly connections: Pick<Connections, 'of'>
  /** The longest that one of them may take; then it is a peer that fails. */
  readonly timeoutMs: number
  /** Syntax behind feature flags, for the queries whose exemplars are asked for. */
  readonly syntax?: ParseOptions
}

/** What Info announces of these. */
export const proxiedApis: readonly PeerApi[] = ['rules', 'metadata', 'targets', 'exemplars', 'status']

export class Peers {
  readonly #options: PeersOptions

  constructor(options: PeersOptions) {
    this.#options = options
  }

  /**
   * The answers of all peers that serve the call, in the order of the endpoints.
   * Errors: `canceled` on the signal, and without partial response a peer's own code with its address.
   */
  ask<Request extends PeerRequest, Item>(
    call: PeerCall<Request, Item>,
    request: Request,
    signal: AbortSignal,
  ): Promise<PeerAnswer<Item>> {
    return this.#askEach(call, request, signal, () => request)
  }

  /** Asks each peer for those selectors of the query that it may know. Throws `bad_data` where the query does not parse. */
  async exemplars(request: ExemplarsRequest, signal: AbortSignal): Promise<PeerAnswer<SeriesExemplars>> {
    const selectors = selectorsOf(parseExpr(request.query, this.#options.syntax))
    return this.#askEach(exemplarsCall, request, signal, (endpoint) => {
      const asked = selectors.filter((matchers) => mayKnow(endpoint, matchers))
      if (asked.length === 0) return undefined
      return { ...request, query: asked.map((matchers) => formatSelector(leftFor(endpoint, matchers))).join(' + ') }
    })
  }

  /** For a querier above this one: answers as peers have given them, with their replica labels. */
  services(options: StoreServiceOptions): GrpcService[] {
    const serve = <Request extends PeerRequest, Item>(call: PeerCall<Request, Item>) =>
      peerService(call, (request, signal) => this.ask(call, request, signal), options)
    return [
      serve(rulesCall),
      serve(targetsCall),
      serve(statusCall),
      peerService(exemplarsCall, (request, signal) => this.exemplars(request, signal), options),
      peerService(
        metadataCall,
        async (request, signal) => {
          // Each peer is asked for all: the first metrics of one need not be the first of all.
          const { items, warnings } = await this.ask(metadataCall, { ...request, limit: -1 }, signal)
          return { items: [metadataItem(mergeMetadata(items, request.limit))], warnings }
        },
        options,
      ),
    ]
  }

  /** A peer for which there is no request is not asked. */
  async #askEach<Request extends PeerRequest, Item>(
    call: PeerCall<Request, Item>,
    { strategy }: Request,
    signal: AbortSignal,
    requestFor: (endpoint: Endpoint) => Request | undefined,
  ): Promise<PeerAnswer<Item>> {
    const isStrict = strategy === partialResponse.abort
    const warnings = new Set<string>()
    const askOne = async (endpoint: Endpoint): Promise<readonly Item[]> => {
      const { address, lastError, apis } = endpoint
      const request = requestFor(endpoint)
      // One that has never answered may serve the call.
      const mayServe = apis === undefined ? lastError !== undefined : apis.includes(call.api)
      if (!mayServe || request === undefined) return []
      if (lastError !== undefined) {
        const warning = `store ${address} is down: ${lastError}`
        if (isStrict) throw new MnemoError('unavailable', warning)
        warnings.add(warning)
        return []
      }
      try {
        const bounded = AbortSignal.any([signal, AbortSignal.timeout(this.#options.timeoutMs)])
        const answer = await this.#options.connections.of(endpoint).ask(call, request, bounded)
        for (const warning of answer.warnings) warnings.add(`store ${address}: ${warning}`)
        return answer.items
      } catch (error) {
        if (signal.aborted) throw abortReason(signal)
        if (isStrict) throw storeError(address, error)
        warnings.add(describeError(storeError(address, error)))
        return []
      }
    }
    const items = await Promise.all(this.#options.stores.endpoints.map(askOne))
    return { items: items.flat(), warnings: [...warnings] }
  }
}

/** Prometheus does not know its external labels, and Thanos's sidecars pass selectors on: matchers on them are met here. */
function leftFor({ componentType, labelSets }: Endpoint, matchers: readonly LabelMatcher[]): readonly LabelMatcher[] {
  if (componentType === 'query') return matchers
  return bounded(matchers.filter(({ name }) => labelSets.every((labels) => labelValue(labels, name) === '')))
}
