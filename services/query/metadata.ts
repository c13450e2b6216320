// What metrics are, from all peers that know: asked over the gRPC Metadata API, each entry once.
// Meaning: Thanos pkg/metadata/proxy.go. A peer that is down or fails is a warning that names it, or an error.
// Owns nothing; calls go over the main thread's connections, for answers are small.
import { describeError, MnemoError } from '../../lib/kit/errors.ts'
import type { Endpoint } from '../../lib/storeapi/endpoints.ts'
import { abortReason, storeError } from '../../lib/storeapi/merge.ts'
import { type MetadataAnswer, MetadataMerge, type MetadataRequest } from '../../lib/storeapi/metadata.ts'
import type { Connections } from './connections.ts'

export interface MetadataPeers {
  readonly endpoints: readonly Endpoint[]
  readonly connections: Pick<Connections, 'of'>
}

/** Errors: `canceled` on the signal, and without partial response a peer's own code with its address. */
export async function askMetadata(
  { endpoints, connections }: MetadataPeers,
  request: MetadataRequest,
  signal: AbortSignal,
): Promise<MetadataAnswer> {
  const warnings = new Set<string>()
  const warn = (warning: string): void => {
    if (request.partialResponseDisabled) throw new MnemoError('unavailable', warning)
    warnings.add(warning)
  }
  const merge = new MetadataMerge()
  // Each peer is asked for all: the first metrics of one need not be the first of all.
  const asked = { ...request, limit: -1 }
  const ask = async (endpoint: Endpoint): Promise<void> => {
    const { address, lastError, apis } = endpoint
    // One that has never answered may know metadata.
    if (lastError !== undefined && (apis === undefined || apis.includes('metadata')))
      warn(`store ${address} is down: ${lastError}`)
    if (lastError !== undefined || !apis?.includes('metadata')) return
    try {
      for (const warning of await connections.of(endpoint).metadata(asked, merge, signal))
        warnings.add(`store ${address}: ${warning}`)
    } catch (error) {
      if (signal.aborted) throw abortReason(signal)
      if (request.partialResponseDisabled) throw storeError(address, error)
      warnings.add(describeError(storeError(address, error)))
    }
  }
  await Promise.all(endpoints.map(ask))
  return { metadata: merge.result(request.limit), warnings: [...warnings] }
}
