// A StoreAPI whose requests and answers are bytes: what a gRPC method takes and gives, wherever they are made.
// Between it and the StoreApi stand the codecs and the frames' cutter; a thread that answers for another passes bytes alone.
// Owns that translation.
import { FrameCutter } from './frames.ts'
import { decodeSeriesRequest } from './messages.ts'
import type { StoreApi } from './types.ts'
import {
  decodeLabelNamesRequest,
  decodeLabelValuesRequest,
  encodeInfo,
  encodeLabelsResponse,
} from './unary-messages.ts'

export interface WireStoreApi {
  info(signal: AbortSignal): Promise<Uint8Array>
  /** Frames of SeriesResponse. */
  series(request: Uint8Array, signal: AbortSignal): AsyncIterable<Uint8Array>
  labelNames(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array>
  labelValues(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array>
}

/** The API's calls but Info. Requests that cannot be read throw `corrupt` or `bad_data`. */
export function wireCalls(api: Omit<StoreApi, 'info'>): Omit<WireStoreApi, 'info'> {
  return {
    async *series(bytes, signal) {
      const request = decodeSeriesRequest(bytes)
      const cutter = new FrameCutter(request.responseBatchSize ?? 0)
      if (api.seriesBatches === undefined)
        for await (const response of api.series(request, signal)) for (const frame of cutter.add(response)) yield frame
      else
        for await (const batch of api.seriesBatches(request, signal))
          for (const response of batch) for (const frame of cutter.add(response)) yield frame
      for (const frame of cutter.flush()) yield frame
    },
    async labelNames(bytes, signal) {
      return encodeLabelsResponse(await api.labelNames(decodeLabelNamesRequest(bytes), signal))
    },
    async labelValues(bytes, signal) {
      const { label, request } = decodeLabelValuesRequest(bytes)
      return encodeLabelsResponse(await api.labelValues(label, request, signal))
    },
  }
}

export function wireStoreApi(api: StoreApi): WireStoreApi {
  return { ...wireCalls(api), info: async (signal) => encodeInfo(await api.info(signal)) }
}
