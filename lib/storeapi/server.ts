// Serves a StoreAPI over gRPC: thanos.Store and thanos.info.Info.
// The implementation is pulled no faster than the peer takes frames; a peer that cancels aborts it.
// Owns the framing and the mapping of errors to statuses; what is answered is the StoreApi's.
import { Metadata, type ServerUnaryCall, type ServerWritableStream, type sendUnaryData } from '@grpc/grpc-js'
import { asMnemoError, MnemoError } from '../kit/errors.ts'
import { type GrpcService, statusOfError } from '../kit/grpc.ts'
import type { Logger } from '../kit/log.ts'
import { infoMethods, storeMethods } from './methods.ts'
import type { StoreApi } from './types.ts'
import { type WireStoreApi, wireStoreApi } from './wire-api.ts'

type UnaryCall = ServerUnaryCall<Buffer, Buffer>
export type StreamCall = ServerWritableStream<Buffer, Buffer>

/** Bytes of frames that wait for the peer; a call that has more waits itself. */
const maxPendingBytes = 1 << 20

export interface StoreServiceOptions {
  /** Told of errors without a cause that a user could mend. */
  readonly logger?: Logger
  /**
   * Each frame has an ArrayBuffer of its own that no one else uses: its memory is given back as soon as the frame is sent, and so is
   * that of grpc-js's copy. A thread that only passes frames on makes so little garbage that it would be collected late, and then
   * with the whole heap.
   */
  readonly ownsFrames?: boolean
}

/** The gRPC services of a StoreAPI, for startGrpc(). */
export function storeService(api: StoreApi, options: StoreServiceOptions = {}): GrpcService[] {
  return wireStoreService(wireStoreApi(api), options)
}

/** As storeService(), of an API of bytes. */
export function wireStoreService(api: WireStoreApi, options: StoreServiceOptions = {}): GrpcService[] {
  const unary =
    (answer: (request: Buffer, signal: AbortSignal) => Promise<Uint8Array>) =>
    (call: UnaryCall, callback: sendUnaryData<Buffer>) =>
      void serveUnary(call, callback, answer, options)
  const store = {
    Series: (call: StreamCall) => void serveFrames(call, (request, signal) => api.series(request, signal), options),
    LabelNames: unary((request, signal) => api.labelNames(request, signal)),
    LabelValues: unary((request, signal) => api.labelValues(request, signal)),
  }
  const info = { Info: unary((_request, signal) => api.info(signal)) }
  return [
    { definition: storeMethods, implementation: store },
    { definition: infoMethods, implementation: info },
  ]
}

async function serveUnary(
  call: UnaryCall,
  callback: sendUnaryData<Buffer>,
  answer: (request: Buffer, signal: AbortSignal) => Promise<Uint8Array>,
  options: StoreServiceOptions,
): Promise<void> {
  try {
    const bytes = await answer(call.request, signalOf(call))
    callback(null, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  } catch (error) {
    callback(statusOf(error, options))
  }
}

/** Answers a call with a stream of frames, at the peer's pace; an error becomes its status. */
export async function serveFrames(
  call: StreamCall,
  answer: (request: Buffer, signal: AbortSignal) => AsyncIterable<Uint8Array>,
  options: StoreServiceOptions,
): Promise<void> {
  const signal = signalOf(call)
  try {
    const sender = new FrameSender(call, signal, options.ownsFrames === true)
    for await (const frame of answer(call.request, signal)) await sender.send(frame)
    call.end()
  } catch (error) {
    // grpc-js takes the status from an error event, after the frames that were written.
    call.emit('error', statusOf(error, options))
  }
}

function statusOf(error: unknown, { logger }: StoreServiceOptions): ReturnType<typeof statusOfError> {
  const known = asMnemoError(error)
  if (known.code === 'internal') logger?.error({ err: known.cause ?? known }, 'StoreAPI call failed')
  return statusOfError(known)
}

function signalOf(call: UnaryCall | StreamCall): AbortSignal {
  const abort = new AbortController()
  const cancel = () => abort.abort(new MnemoError('canceled', `cannot answer ${call.getPath()}: the peer canceled it`))
  if (call.cancelled) cancel()
  else call.once('cancelled', cancel)
  return abort.signal
}

/** The copy of a message that grpc-js makes behind a head of its own. */
function copyOf(message: Buffer): { giveBack(): void } {
  let made: Uint8Array | undefined
  message.copy = (target, ...range) => {
    made = target as Uint8Array
    return Buffer.prototype.copy.call(message, target, ...range)
  }
  return {
    giveBack() {
      // A small one shares its memory with others.
      if (made?.buffer instanceof ArrayBuffer && made.buffer.byteLength === made.byteLength) made.buffer.transfer(0)
    },
  }
}

/** Writes frames, and waits while too many bytes are on their way. */
class FrameSender {
  readonly #call: StreamCall
  readonly #signal: AbortSignal
  readonly #ownsFrames: boolean
  #pendingBytes = 0
  #wake: (() => void) | undefined

  constructor(call: StreamCall, signal: AbortSignal, ownsFrames: boolean) {
    this.#call = call
    this.#signal = signal
    this.#ownsFrames = ownsFrames
    signal.addEventListener('abort', () => this.#wake?.(), { once: true })
    // Headers before the first frame: the peer knows that the call is served.
    call.sendMetadata(new Metadata())
  }

  /** Resolves when more may be written; rejects when the peer has canceled. */
  async send(frame: Uint8Array): Promise<void> {
    this.#signal.throwIfAborted()
    const { buffer, byteOffset, length } = frame
    this.#pendingBytes += length
    const message = Buffer.from(buffer, byteOffset, length)
    const copy = this.#ownsFrames ? copyOf(message) : undefined
    this.#call.write(message, (error: unknown) => {
      if (this.#ownsFrames && buffer instanceof ArrayBuffer) buffer.transfer(0)
      // What is left of a write that failed may still be under way.
      if (!error) copy?.giveBack()
      this.#pendingBytes -= length
      if (this.#pendingBytes <= maxPendingBytes) this.#wake?.()
    })
    while (this.#pendingBytes > maxPendingBytes) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
      this.#signal.throwIfAborted()
    }
  }
}
