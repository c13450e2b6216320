// The StoreAPI of a peer over gRPC: what the querier reads stores and sidecars through.
// Frames are pulled: the peer is read no faster than its caller takes series.
// Owns one channel (a connection, made again by itself); errors carry the peer's address.
import {
  Client,
  type ClientReadableStream,
  type Interceptor,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js'
import { asMnemoError, MnemoError } from '../kit/errors.ts'
import { type ClientTls, channelOptions, clientCredentials, errorOfStatus } from '../kit/grpc.ts'
import { openChannel } from '../kit/grpc-channel.ts'
import { encodeSeriesRequest, SeriesDecoder } from './messages.ts'
import { infoMethods, storeMethods } from './methods.ts'
import { type PeerAnswer, PeerAnswerReader, type PeerCall, type PeerRequest } from './peer-call.ts'
import type { LabelsRequest, LabelsResponse, SeriesRequest, SeriesResponse, StoreApi, StoreInfo } from './types.ts'
import { decodeInfo, decodeLabelsResponse, encodeLabelsRequest } from './unary-messages.ts'

export interface StoreClientOptions {
  readonly tls?: ClientTls
  /** The largest message that is accepted; Thanos sends up to 2 GiB, which is the default. */
  readonly maxReceiveBytes?: number
  /** See each call: they count it, for example. */
  readonly interceptors?: readonly Interceptor[]
  /** Sent as THANOS-TENANT. */
  readonly tenant?: string
}

export interface StoreClient extends StoreApi {
  readonly address: string
  /** Asks an API beside the StoreAPI; the answer is read whole. */
  ask<Request extends PeerRequest, Item>(
    call: PeerCall<Request, Item>,
    request: Request,
    signal: AbortSignal,
  ): Promise<PeerAnswer<Item>>
  /** Ends the connection; calls that run fail. */
  close(): void
}

/** A client of the StoreAPI at host:port, or of any peer of a name (`dns:///name:port`). It connects when it is first used. */
export function createStoreClient(address: string, options: StoreClientOptions = {}): StoreClient {
  return new GrpcStoreClient(address, options)
}

const roundRobin = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] })

class GrpcStoreClient implements StoreClient {
  readonly address: string
  readonly #client: Client
  readonly #metadata = new Metadata()

  constructor(address: string, options: StoreClientOptions) {
    this.address = address
    const { maxReceiveBytes, tenant, tls, interceptors = [] } = options
    const channel = channelOptions({ tls, ...(maxReceiveBytes !== undefined && { maxReceiveBytes }) })
    // A name of several peers that hold the same: one of them is asked, the next one the next time.
    if (address.startsWith('dns:')) channel['grpc.service_config'] = roundRobin
    const more = { interceptors: [...interceptors], channelFactoryOverride: openChannel }
    this.#client = new Client(address, clientCredentials(tls), { ...channel, ...more })
    if (tenant !== undefined) this.#metadata.set('thanos-tenant', tenant)
  }

  close(): void {
    this.#client.close()
  }

  async info(signal: AbortSignal): Promise<StoreInfo> {
    return decodeInfo(await this.#unary(infoMethods.Info, Buffer.alloc(0), signal))
  }

  async labelNames(request: LabelsRequest, signal: AbortSignal): Promise<LabelsResponse> {
    return decodeLabelsResponse(await this.#unary(storeMethods.LabelNames, encodeLabelsRequest(request), signal))
  }

  async labelValues(label: string, request: LabelsRequest, signal: AbortSignal): Promise<LabelsResponse> {
    return decodeLabelsResponse(
      await this.#unary(storeMethods.LabelValues, encodeLabelsRequest(request, label), signal),
    )
  }

  async *series(request: SeriesRequest, signal: AbortSignal): AsyncGenerator<SeriesResponse> {
    for await (const batch of this.seriesBatches(request, signal)) yield* batch
  }

  /** A batch is what a frame says. */
  seriesBatches(request: SeriesRequest, signal: AbortSignal): AsyncGenerator<readonly SeriesResponse[]> {
    const decoder = new SeriesDecoder()
    return this.#frames(storeMethods.Series, encodeSeriesRequest(request), `read series from ${this.address}`, {
      signal,
      decode: (frame) => decoder.decode(frame),
    })
  }

  async ask<Request extends PeerRequest, Item>(
    call: PeerCall<Request, Item>,
    request: Request,
    signal: AbortSignal,
  ): Promise<PeerAnswer<Item>> {
    const reader = new PeerAnswerReader(call)
    const decode = (frame: Buffer) => reader.add(frame)
    const what = `read ${call.api} from ${this.address}`
    const frames = this.#frames(call.method, call.request.encode(request), what, { signal, decode })
    for await (const _ of frames);
    return reader
  }

  /** What each frame of a streamed answer says, read no faster than the caller takes it. */
  async *#frames<T>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Buffer, Buffer>,
    bytes: Buffer,
    what: string,
    { signal, decode }: { signal: AbortSignal; decode: (frame: Buffer) => T },
  ): AsyncGenerator<T> {
    throwIfAborted(signal, what)
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      bytes,
      this.#metadata,
      {},
    )
    const cancel = () => call.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      for await (const frame of call as ClientReadableStream<Buffer>) {
        // Frames that were already here are not worth reading any more.
        throwIfAborted(signal, what)
        yield decode(frame)
      }
    } catch (error) {
      throw failure(error, what, signal)
    } finally {
      signal.removeEventListener('abort', cancel)
      // Also where the caller stopped early; a call that has ended does not mind.
      call.cancel()
    }
  }

  #unary(method: MethodDefinition<Buffer, Buffer>, request: Buffer, signal: AbortSignal): Promise<Buffer> {
    const what = `call ${method.path.split('/').at(-1)} of ${this.address}`
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    if (signal.aborted) return Promise.reject(failure(signal.reason, what, signal))
    const call = this.#client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata,
      {},
      (error, response) => {
        signal.removeEventListener('abort', cancel)
        if (error) reject(failure(error, what, signal))
        else if (response) resolve(response)
        else reject(new MnemoError('internal', `cannot ${what}: got no response`))
      },
    )
    const cancel = () => call.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    return promise
  }
}

function throwIfAborted(signal: AbortSignal, what: string): void {
  if (signal.aborted) throw failure(signal.reason, what, signal)
}

/** The abort's own reason where the caller ended the call, else what the peer or the decoder said. */
function failure(error: unknown, what: string, signal: AbortSignal): MnemoError {
  if (signal.aborted) {
    const { reason } = signal
    return reason instanceof MnemoError
      ? reason
      : new MnemoError(isTimeout(reason) ? 'timeout' : 'canceled', `cannot ${what}: ${messageOf(reason)}`, {
          cause: reason,
        })
  }
  if (isServiceError(error)) return errorOfStatus(error, what)
  const known = asMnemoError(error)
  return new MnemoError(known.code, `cannot ${what}`, { cause: known })
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'TimeoutError'
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason)
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error
}
