// A StoreApi over a list of responses, for tests of what stands above it: it can fail or fall silent at any point.
// Owns no data; counts what was asked of it.
import { setTimeout as sleep } from 'node:timers/promises'
import { labelsOf } from '../../lib/labels/labels.ts'
import type {
  AggrChunk,
  LabelsRequest,
  SeriesRequest,
  SeriesResponse,
  StoreApi,
  StoreInfo,
} from '../../lib/storeapi/types.ts'

export interface FakeStore extends StoreApi {
  readonly requests: SeriesRequest[]
  readonly labelsRequests: LabelsRequest[]
  /** Responses taken so far. */
  taken: number
  /** Streams that are open now. */
  open: number
}

export interface FakeOptions {
  readonly info?: Partial<StoreInfo>
  readonly values?: readonly string[]
  readonly warnings?: readonly string[]
}

/** A step is a response, an error to throw, or a number of milliseconds to be silent. */
export type Step = SeriesResponse | Error | number

/** A store whose Series stream goes through the steps. An abort ends it with the signal's reason. */
export function fakeStore(steps: readonly Step[], options: FakeOptions = {}): FakeStore {
  const store: FakeStore = {
    requests: [],
    labelsRequests: [],
    taken: 0,
    open: 0,
    async info() {
      return { labelSets: [], componentType: 'store', store: anyTime, ...options.info }
    },
    async *series(request, signal) {
      store.requests.push(request)
      store.open++
      try {
        for (const step of steps) {
          signal.throwIfAborted()
          if (step instanceof Error) throw step
          if (typeof step === 'number') await sleep(step, undefined, { signal })
          else {
            store.taken++
            yield step
          }
        }
      } finally {
        store.open--
      }
    },
    async labelNames(request) {
      store.labelsRequests.push(request)
      return { values: options.values ?? [], warnings: options.warnings ?? [] }
    },
    async labelValues(_label, request) {
      store.labelsRequests.push(request)
      return { values: options.values ?? [], warnings: options.warnings ?? [] }
    },
  }
  return store
}

export const anyTime = {
  minTime: Number.MIN_SAFE_INTEGER,
  maxTime: Number.MAX_SAFE_INTEGER,
  supportsSharding: false,
  supportsWithoutReplicaLabels: true,
  tsdbInfos: [],
}

export function series(labels: Record<string, string>, ...chunks: AggrChunk[]): SeriesResponse {
  return { kind: 'series', series: { labels: labelsOf(labels), chunks } }
}

/** A raw chunk whose bytes are the text's. */
export function chunk(minTime: number, maxTime: number, text = `${minTime}`): AggrChunk {
  return { minTime, maxTime, raw: { type: 0, data: new TextEncoder().encode(text), hash: 0n } }
}
