// The gRPC Metadata API: what metrics are, by name: type, help and unit, as scrape targets say.
// Specification: Thanos pkg/metadata/metadatapb/rpc.proto. Field numbers stand beside each read and write.
// Owns the codec, the service, and the merging of several peers' answers: each entry once, in the order of the peers.
import { MnemoError } from '../kit/errors.ts'
import type { GrpcService } from '../kit/grpc.ts'
import { compareStrings } from '../labels/labels.ts'
import { unaryOrStream } from './methods.ts'
import { ProtoReader } from './proto-reader.ts'
import { ProtoWriter } from './proto-writer.ts'
import { type StoreServiceOptions, type StreamCall, serveFrames } from './server.ts'

export interface MetricMeta {
  readonly type: string
  readonly help: string
  readonly unit: string
}

export interface MetadataRequest {
  /** '': every metric. */
  readonly metric: string
  /** Metrics at most; below 0: all. */
  readonly limit: number
  readonly partialResponseDisabled?: boolean
}

export interface MetadataAnswer {
  readonly metadata: ReadonlyMap<string, readonly MetricMeta[]>
  readonly warnings: readonly string[]
}

export const metadataMethods = { MetricMetadata: unaryOrStream('/thanos.Metadata/MetricMetadata', true) }

/** Most metrics of all peers together. */
const maxMetrics = 1_000_000

export function encodeMetadataRequest({ metric, limit, partialResponseDisabled }: MetadataRequest): Buffer {
  const writer = new ProtoWriter()
  writer.stringField(1, metric)
  writer.intField(2, limit)
  writer.intField(3, partialResponseDisabled ? 1 : 0)
  return writer.finish()
}

/** Throws `corrupt`. */
export function decodeMetadataRequest(bytes: Uint8Array): MetadataRequest {
  const reader = new ProtoReader('MetricMetadataRequest', bytes)
  let metric = ''
  let limit = 0
  let partialResponseDisabled = false
  reader.fields((tag) => {
    if (tag === 0x0a) metric = reader.string()
    else if (tag === 0x10) limit = reader.int64()
    else if (tag === 0x18) partialResponseDisabled = reader.bool()
    else reader.skip(tag)
  })
  return { metric, limit, partialResponseDisabled }
}

/** An answer's frames: the metadata in one, each warning in another. */
export function encodeMetadata({ metadata, warnings }: MetadataAnswer): Buffer[] {
  const frames = warnings.map((warning) => {
    const writer = new ProtoWriter()
    writer.stringElement(2, warning)
    return writer.finish()
  })
  const writer = new ProtoWriter(64 << 10)
  writer.message(1, (all) => {
    for (const [name, metas] of metadata)
      all.message(1, (entry) => {
        entry.stringField(1, name)
        entry.message(2, (value) => {
          for (const { type, help, unit } of metas)
            value.message(2, (meta) => {
              meta.stringField(1, type)
              meta.stringField(2, help)
              meta.stringField(3, unit)
            })
        })
      })
  })
  return [...frames, writer.finish()]
}

/** Collects frames and answers of several peers. */
export class MetadataMerge {
  readonly #metadata = new Map<string, MetricMeta[]>()

  /** Reads a frame of a peer; tells its warnings. Throws `corrupt`, or `resource_exhausted` where there are too many metrics. */
  addFrame(frame: Uint8Array, onWarning: (warning: string) => void): void {
    const reader = new ProtoReader('MetricMetadataResponse', frame)
    reader.fields((tag) => {
      if (tag === 0x12) onWarning(reader.string())
      else if (tag !== 0x0a) reader.skip(tag)
      else reader.nested((inner) => (inner === 0x0a ? this.#addEntry(reader) : reader.skip(inner)))
    })
  }

  add(name: string, metas: readonly MetricMeta[]): void {
    let known = this.#metadata.get(name)
    if (known === undefined) {
      if (this.#metadata.size >= maxMetrics)
        throw new MnemoError('resource_exhausted', `cannot read metadata: got more than ${maxMetrics} metrics`)
      known = []
      this.#metadata.set(name, known)
    }
    for (const meta of metas) if (!known.some((other) => isEqual(meta, other))) known.push(meta)
  }

  /** The first `limit` (below 0: all) metrics by name. */
  result(limit: number): ReadonlyMap<string, readonly MetricMeta[]> {
    const all = [...this.#metadata].sort(([a], [b]) => compareStrings(a, b))
    return new Map(limit < 0 ? all : all.slice(0, limit))
  }

  #addEntry(reader: ProtoReader): void {
    let name = ''
    const metas: MetricMeta[] = []
    reader.nested((tag) => {
      if (tag === 0x0a) name = reader.string()
      else if (tag === 0x12)
        reader.nested((inner) => (inner === 0x12 ? metas.push(readMeta(reader)) : reader.skip(inner)))
      else reader.skip(tag)
    })
    this.add(name, metas)
  }
}

function readMeta(reader: ProtoReader): MetricMeta {
  const meta = { type: '', help: '', unit: '' }
  reader.nested((tag) => {
    if (tag === 0x0a) meta.type = reader.string()
    else if (tag === 0x12) meta.help = reader.string()
    else if (tag === 0x1a) meta.unit = reader.string()
    else reader.skip(tag)
  })
  return meta
}

function isEqual(a: MetricMeta, b: MetricMeta): boolean {
  return a.type === b.type && a.help === b.help && a.unit === b.unit
}

/** The service, for startGrpc(). */
export function metadataService(
  answer: (request: MetadataRequest, signal: AbortSignal) => Promise<MetadataAnswer>,
  options: StoreServiceOptions = {},
): GrpcService {
  async function* frames(bytes: Buffer, signal: AbortSignal): AsyncGenerator<Buffer> {
    yield* encodeMetadata(await answer(decodeMetadataRequest(bytes), signal))
  }
  return {
    definition: metadataMethods,
    implementation: { MetricMetadata: (call: StreamCall) => void serveFrames(call, frames, options) },
  }
}
