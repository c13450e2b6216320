// A TCP proxy on loopback that spoils what a server says: hangs, resets, cut ends, drops by drops, wrong bytes, HTTP/2's GOAWAY.
// Frames of HTTP/2 (RFC 9113, section 4.1): length u24 | type u8 | flags u8 | stream u32 | payload.
// Owns its server and its connections.
import { once } from 'node:events'
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { portOf } from './free-port.ts'

/** `afterBytes`: how much of what the server says on a connection still passes, counted since the fault was set. */
export type Fault =
  /** Nothing more comes, and the connection stays. */
  | { readonly kind: 'hang'; readonly afterBytes: number }
  /** RST. */
  | { readonly kind: 'reset'; readonly afterBytes: number }
  /** FIN, as if all had been said. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** From here on a piece at a time, with silence in between. */
  | { readonly kind: 'drip'; readonly afterBytes: number; readonly pieceBytes: number; readonly silenceMs: number }
  /** One byte is another one. */
  | { readonly kind: 'corrupt'; readonly afterBytes: number }
  /** At the next frame the server seems to say GOAWAY: later streams shall go elsewhere, and `lastStream` and those before it end as they are. */
  | { readonly kind: 'goaway'; readonly afterBytes: number; readonly lastStream: number }

interface Connection {
  readonly client: Socket
  readonly upstream: Socket
  /** Bytes of the server since the fault was set. */
  seen: number
  /** Whether a fault that happens once has happened. */
  isDone: boolean
  /** Bytes until the next frame begins, as far as its header has been seen. */
  untilFrame: number
  header: Buffer
}

const frameHeaderBytes = 9

export class FaultProxy {
  readonly #server: Server
  readonly #upstreamPort: number
  readonly #connections = new Set<Connection>()
  #fault: Fault | undefined
  #reached = Promise.withResolvers<void>()

  private constructor(upstreamPort: number) {
    this.#upstreamPort = upstreamPort
    this.#server = createServer((client) => this.#serve(client))
  }

  /** Starts a proxy to a server on 127.0.0.1. */
  static async start(upstreamPort: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(upstreamPort)
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject)
      proxy.#server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  get port(): number {
    return portOf(this.#server)
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** From now on, for the connections that are there and for new ones. Resolves when the fault has first happened. */
  set(fault: Fault): Promise<void> {
    this.#fault = fault
    this.#reached = Promise.withResolvers<void>()
    for (const connection of this.#connections) {
      connection.seen = 0
      connection.isDone = false
    }
    return this.#reached.promise
  }

  /** All is well again; connections that hung are ended. */
  heal(): void {
    const wasHanging = this.#fault?.kind === 'hang'
    this.#fault = undefined
    if (wasHanging) for (const { client } of this.#connections) client.destroy()
  }

  async close(): Promise<void> {
    for (const { client, upstream } of this.#connections) {
      client.destroy()
      upstream.destroy()
    }
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(client: Socket): void {
    const upstream = dial(this.#upstreamPort, '127.0.0.1')
    const connection = { client, upstream, seen: 0, isDone: false, untilFrame: 0, header: Buffer.alloc(0) }
    this.#connections.add(connection)
    const end = () => {
      client.destroy()
      upstream.destroy()
      this.#connections.delete(connection)
    }
    for (const socket of [client, upstream]) socket.setNoDelay(true).on('error', end)
    client.on('close', end)
    client.pipe(upstream)
    this.#answer(connection).then(() => client.end(), end)
  }

  async #answer(connection: Connection): Promise<void> {
    for await (const piece of connection.upstream as AsyncIterable<Buffer>) await this.#pass(connection, piece)
  }

  async #pass(connection: Connection, piece: Buffer): Promise<void> {
    const fault = this.#fault
    const before = fault ? Math.max(0, fault.afterBytes - connection.seen) : piece.length
    connection.seen += piece.length
    if (!fault || connection.isDone || before >= piece.length) return write(connection, piece)
    await write(connection, piece.subarray(0, before))
    await this.#happen(fault, connection, piece.subarray(before))
  }

  /** `rest`: what the server has said from the place of the fault on. */
  async #happen(fault: Fault, connection: Connection, rest: Buffer): Promise<void> {
    const { client } = connection
    if (fault.kind !== 'goaway') this.#reached.resolve()
    switch (fault.kind) {
      case 'hang':
        return new Promise((resolve) => client.once('close', resolve))
      case 'reset':
        connection.isDone = true
        client.resetAndDestroy()
        return
      case 'cut':
        connection.isDone = true
        client.end()
        return
      case 'drip':
        for (let at = 0; at < rest.length; at += fault.pieceBytes) {
          await sleep(this.#fault === fault ? fault.silenceMs : 0)
          await write(connection, rest.subarray(at, at + fault.pieceBytes))
        }
        return
      case 'corrupt': {
        connection.isDone = true
        const wrong = Buffer.from(rest)
        wrong[0] = ~wrong[0]!
        return write(connection, wrong)
      }
      case 'goaway': {
        const { untilFrame, header } = connection
        if (header.length > 0 || untilFrame >= rest.length) return write(connection, rest)
        connection.isDone = true
        await write(connection, rest.subarray(0, untilFrame))
        client.write(goawayFrame(fault.lastStream))
        this.#reached.resolve()
        return write(connection, rest.subarray(untilFrame))
      }
      default:
        return fault satisfies never
    }
  }
}

/** Passes bytes on, no faster than the client takes them, and follows where frames begin. */
async function write(connection: Connection, bytes: Buffer): Promise<void> {
  follow(connection, bytes)
  const { client } = connection
  if (bytes.length === 0 || !client.writable || client.write(bytes)) return
  const done = new AbortController()
  const { signal } = done
  await Promise.race([once(client, 'drain', { signal }), once(client, 'close', { signal })]).finally(() => done.abort())
}

function follow(connection: Connection, bytes: Buffer): void {
  let at = 0
  while (at < bytes.length) {
    if (connection.untilFrame > 0) {
      const skipped = Math.min(connection.untilFrame, bytes.length - at)
      connection.untilFrame -= skipped
      at += skipped
      continue
    }
    const wanted = frameHeaderBytes - connection.header.length
    const header = Buffer.concat([connection.header, bytes.subarray(at, at + wanted)])
    at += Math.min(wanted, bytes.length - at)
    const isWhole = header.length === frameHeaderBytes
    connection.header = isWhole ? Buffer.alloc(0) : header
    if (isWhole) connection.untilFrame = header.readUIntBE(0, 3)
  }
}

/** GOAWAY (type 7) of NO_ERROR. */
function goawayFrame(lastStream: number): Buffer {
  const frame = Buffer.alloc(frameHeaderBytes + 8)
  frame.writeUIntBE(8, 0, 3)
  frame.writeUInt8(7, 3)
  frame.writeUInt32BE(lastStream, frameHeaderBytes)
  return frame
}
