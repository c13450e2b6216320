// What the APIs beside the StoreAPI have in common (Rules, Targets, Metadata, Exemplars, Status): one request, a stream
// of items and warnings. Specification: Thanos pkg/{rules,targets,metadata,exemplars,status}: each response is
// `oneof { item = 1; string warning = 2 }`. Owns the service over such a call; the messages are the APIs' own files'.
import type { MethodDefinition } from '@grpc/grpc-js'
import { MnemoError } from '../kit/errors.ts'
import type { GrpcService } from '../kit/grpc.ts'
import { unaryOrStream } from './methods.ts'
import { type Message, message, optional, text } from './proto-message.ts'
import { type StoreServiceOptions, type StreamCall, serveFrames } from './server.ts'
import type { PeerApi } from './types.ts'

/** PartialResponseStrategy, as every request carries it. */
export const partialResponse = { warn: 0, abort: 1 } as const

/** What every request of these APIs says. */
export interface PeerRequest {
  /** One of partialResponse. */
  readonly strategy: number
}

export interface PeerCall<Request extends PeerRequest, Item> {
  /** As Info announces it. */
  readonly api: PeerApi
  /** thanos.Rules/Rules … */
  readonly path: string
  readonly method: MethodDefinition<Buffer, Buffer>
  readonly request: Message<Request>
  readonly item: Message<Item>
}

/** What peers have answered. */
export interface PeerAnswer<Item> {
  readonly items: readonly Item[]
  readonly warnings: readonly string[]
}

export function peerCall<Request extends PeerRequest, Item>(
  api: PeerApi,
  path: string,
  messages: { readonly request: Message<Request>; readonly item: Message<Item> },
): PeerCall<Request, Item> {
  return { api, path, method: unaryOrStream(path, true), ...messages }
}

/** The frames of an answer: each item and each warning in one of its own. */
export function* encodePeerAnswer<Item>(
  { item }: { readonly item: Message<Item> },
  { items, warnings }: PeerAnswer<Item>,
): Generator<Buffer> {
  const frame = frameOf(item)
  for (const warning of warnings) yield frame.encode({ item: undefined, warning })
  for (const one of items) yield frame.encode({ item: one, warning: '' })
}

function frameOf<Item>(item: Message<Item>) {
  return message(item.name, { item: optional(1, item), warning: text(2) })
}

/** Most bytes of one peer's answer: some hundred thousand rules or targets. */
const maxAnswerBytes = 256 << 20

/** Collects the frames of one peer. */
export class PeerAnswerReader<Item> {
  readonly items: Item[] = []
  readonly warnings: string[] = []
  readonly #frame
  #bytes = 0

  constructor({ item }: { readonly item: Message<Item> }) {
    this.#frame = frameOf(item)
  }

  /** Throws `corrupt`, or `resource_exhausted` where the answer is too large. */
  add(bytes: Buffer): void {
    this.#bytes += bytes.length
    if (this.#bytes > maxAnswerBytes)
      throw new MnemoError('resource_exhausted', `cannot read answer: got more than ${maxAnswerBytes} bytes`)
    const { item, warning } = this.#frame.decode(bytes)
    if (item !== undefined) this.items.push(item)
    if (warning !== '') this.warnings.push(warning)
  }
}

/** The service, for startGrpc(). */
export function peerService<Request extends PeerRequest, Item>(
  call: PeerCall<Request, Item>,
  answer: (request: Request, signal: AbortSignal) => Promise<PeerAnswer<Item>>,
  options: StoreServiceOptions = {},
): GrpcService {
  async function* frames(bytes: Buffer, signal: AbortSignal): AsyncGenerator<Buffer> {
    yield* encodePeerAnswer(call, await answer(call.request.decode(bytes), signal))
  }
  const name = call.path.split('/').at(-1)!
  return {
    definition: { [name]: call.method },
    implementation: { [name]: (served: StreamCall) => void serveFrames(served, frames, options) },
  }
}
