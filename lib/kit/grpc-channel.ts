// A gRPC channel that gives up where nothing answers, and looks a lost peer's name up before it connects again.
// grpc-js goes back to the address that it had, and waits there for as long as the operating system tries: two minutes where
// packets vanish, in which the name is not looked up again (gRPC wants a limit: its doc/connection-backoff.md).
// Owns one channel of grpc-js at a time; streams that run on an older one go on.
import type { Socket } from 'node:net'
import {
  ChannelCredentials,
  type ChannelInterface,
  type ClientOptions,
  connectivityState,
  Channel as GrpcChannel,
  status,
} from '@grpc/grpc-js'

type Call = ReturnType<ChannelInterface['createCall']>
type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>

const tickMs = 500
/** 4 s: less than an Info call is given, whose error then says that there was no connection. */
const connectTicks = 8

/** As a client's `channelFactoryOverride`. Calls that wait when it gives up end as UNAVAILABLE; the next one tries anew. */
export function openChannel(target: string, credentials: ChannelCredentials, options: ClientOptions): ChannelInterface {
  return new PromptChannel(() => {
    const watched = new WatchedCredentials(credentials)
    // With a pool of its own: the common one would hand out the very connection that was given up.
    const channel = new GrpcChannel(target, watched, { ...options, 'grpc.use_local_subchannel_pool': 1 })
    return { channel, sockets: watched.sockets }
  })
}

interface Opened {
  readonly channel: ChannelInterface
  readonly sockets: ReadonlySet<Socket>
}

class PromptChannel implements ChannelInterface {
  readonly #open: () => Opened
  readonly #waiting = new Set<Call>()
  #now: Opened
  /** Whether this one has been connected, ever. */
  #wasReady = false
  /** Runs from a call without a connection until there is one. */
  #clock: NodeJS.Timeout | undefined

  constructor(open: () => Opened) {
    this.#open = open
    this.#now = open()
  }

  createCall(...args: Parameters<ChannelInterface['createCall']>): Call {
    const { IDLE, READY } = connectivityState
    if (this.#wasReady && this.getConnectivityState(false) === IDLE) this.#renew()
    const call = this.#now.channel.createCall(...args)
    if (this.getConnectivityState(false) !== READY) {
      this.#waiting.add(call)
      if (this.#clock === undefined) this.#startClock()
    }
    return call
  }

  getTarget(): string {
    return this.#now.channel.getTarget()
  }

  getConnectivityState(tryToConnect: boolean): connectivityState {
    return this.#now.channel.getConnectivityState(tryToConnect)
  }

  watchConnectivityState(...args: Parameters<ChannelInterface['watchConnectivityState']>): void {
    this.#now.channel.watchConnectivityState(...args)
  }

  getChannelzRef(): ReturnType<ChannelInterface['getChannelzRef']> {
    return this.#now.channel.getChannelzRef()
  }

  close(): void {
    this.#stopClock()
    this.#now.channel.close()
  }

  #startClock(): void {
    let ticks = 0
    // Ticks and no deadline: while this thread is busy, it is not the peer that is slow.
    this.#clock = setInterval(() => ++ticks === connectTicks && this.#giveUp(), tickMs).unref()
    const { channel } = this.#now
    const look = () => {
      const state = channel.getConnectivityState(false)
      if (state === connectivityState.SHUTDOWN) return
      if (state !== connectivityState.READY)
        return channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, look)
      this.#wasReady = true
      this.#stopClock()
    }
    look()
  }

  #stopClock(): void {
    clearInterval(this.#clock)
    this.#clock = undefined
    this.#waiting.clear()
  }

  #giveUp(): void {
    const seconds = (connectTicks * tickMs) / 1000
    // Those that have ended since do not mind.
    for (const call of this.#waiting) call.cancelWithStatus(status.UNAVAILABLE, `no connection within ${seconds} s`)
    const { sockets } = this.#now
    const mayHaveStreams = this.#wasReady
    this.#renew()
    // A peer may take connections and say nothing on them.
    if (!mayHaveStreams) for (const socket of sockets) socket.destroy()
  }

  #renew(): void {
    const { channel } = this.#now
    this.#stopClock()
    this.#wasReady = false
    this.#now = this.#open()
    channel.close()
  }
}

/** Credentials that know the sockets on which they are used. */
class WatchedCredentials extends ChannelCredentials {
  readonly sockets = new Set<Socket>()
  readonly #given: ChannelCredentials

  constructor(given: ChannelCredentials) {
    super()
    this.#given = given
  }

  override _isSecure(): boolean {
    return this.#given._isSecure()
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(...args: Parameters<ChannelCredentials['_createSecureConnector']>): SecureConnector {
    const connector = this.#given._createSecureConnector(...args)
    return {
      connect: (socket) => {
        this.sockets.add(socket)
        socket.once('close', () => this.sockets.delete(socket))
        return connector.connect(socket)
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    }
  }
}
