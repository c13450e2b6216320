// An HTTP proxy on loopback in front of an S3 server: it counts requests, holds one so that a test can act in the middle
// of an upload, and fails some or spoils their answers. Every header goes through as it came, Host among them: signatures
// stay valid.
// Owns its server and its connections; what is held is dropped when the client goes away.
import * as http from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { portOf } from './free-port.ts'

export interface ProxiedRequest {
  readonly method: string
  /** Path and query as on the wire: /bucket/key?partNumber=2&uploadId=… */
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
}

export type RequestMatch = (request: ProxiedRequest) => boolean

export interface Held {
  readonly request: ProxiedRequest
  /** Lets it go on. */
  release(): void
  /** Breaks the client's connection; a request that was held before the server is never seen by it. */
  drop(): void
}

export interface HoldOptions {
  /** Which of the matching requests, from 1. */
  readonly nth?: number
  /** Before the server sees the request, or with the server's answer in hand. */
  readonly at?: 'request' | 'answer'
}

export interface FailOptions {
  /** How many of the matching requests; all unless told. */
  readonly times?: number
  /** The status to answer with; unless told the connection is broken. */
  readonly status?: number
  /** The code of S3's error answer. */
  readonly code?: string
}

/** What becomes of a server's good answer: no answer, half of its body and then the end, another byte in it, or it comes late. */
export type Spoiling = 'hang' | 'cut' | 'corrupt' | 'late'

interface HoldRule {
  readonly match: RequestMatch
  readonly at: 'request' | 'answer'
  left: number
  readonly held: (held: Held) => void
}

interface FailRule {
  readonly match: RequestMatch
  readonly how: { readonly status?: number | undefined; readonly code?: string | undefined } | Spoiling
  left: number
}

const lateMs = 300

export class HoldProxy {
  /** All requests so far, in order of arrival. */
  readonly requests: ProxiedRequest[] = []
  readonly #server: http.Server
  readonly #upstreamPort: number
  readonly #agent = new http.Agent({ keepAlive: true })
  readonly #holds: HoldRule[] = []
  readonly #fails: FailRule[] = []

  private constructor(upstreamPort: number) {
    this.#upstreamPort = upstreamPort
    this.#server = http.createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => response.destroy(error as Error))
    })
  }

  /** Starts a proxy to a server on 127.0.0.1. */
  static async start(upstreamPort: number): Promise<HoldProxy> {
    const proxy = new HoldProxy(upstreamPort)
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject)
      proxy.#server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  /** host:port, for `endpoint`. */
  get address(): string {
    return `127.0.0.1:${portOf(this.#server)}`
  }

  count(match: RequestMatch): number {
    return this.requests.filter(match).length
  }

  /** Resolves when the nth matching request from now on is held. */
  hold(match: RequestMatch, { nth = 1, at = 'request' }: HoldOptions = {}): Promise<Held> {
    return new Promise((held) => this.#holds.push({ match, at, left: nth, held }))
  }

  /** Fails matching requests from now on. */
  fail(match: RequestMatch, { times = Number.POSITIVE_INFINITY, status, code }: FailOptions = {}): void {
    this.#fails.push({ match, how: { status, code }, left: times })
  }

  /** Spoils the answers of matching requests from now on. */
  spoil(match: RequestMatch, how: Spoiling, times = Number.POSITIVE_INFINITY): void {
    this.#fails.push({ match, how, left: times })
  }

  /** Nothing is failed or spoilt any more. */
  heal(): void {
    this.#fails.length = 0
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#agent.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const seen = { method: request.method ?? '', url: request.url ?? '', headers: request.headers }
    this.requests.push(seen)
    const failed = this.#fails.find((rule) => rule.left > 0 && rule.match(seen))
    if (failed) {
      failed.left--
      const { how } = failed
      if (typeof how === 'string') await spoil(how, await this.#forward(request, response), response)
      else if (how.status === undefined) request.socket.destroy()
      else answerFailure(request, response, how.status, how.code)
      return
    }
    const rule = this.#holds.find((hold) => hold.left > 0 && hold.match(seen))
    const holdAt = rule && --rule.left === 0 ? rule.at : undefined
    if (rule && holdAt === 'request' && !(await held(rule, seen, response))) return
    const answer = await this.#forward(request, response)
    if (rule && holdAt === 'answer' && !(await held(rule, seen, response))) return
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.rawHeaders)
    answer.pipe(response)
  }

  #forward(request: http.IncomingMessage, response: http.ServerResponse): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const upstream = http.request({
        host: '127.0.0.1',
        port: this.#upstreamPort,
        method: request.method,
        path: request.url,
        headers: request.rawHeaders,
        setHost: false,
        agent: this.#agent,
      })
      upstream.once('response', resolve)
      upstream.once('error', reject)
      // A client that goes away in the middle of a body must not look like the body's end.
      response.once('close', () => {
        if (!response.writableFinished) upstream.destroy()
      })
      request.pipe(upstream)
    })
  }
}

function answerFailure(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  status: number,
  code = `TestFailure${status}`,
): void {
  request.resume()
  request.once('end', () => {
    response.writeHead(status, { 'content-type': 'application/xml' })
    response.end(`<Error><Code>${code}</Code><Message>failed by the test</Message></Error>`)
  })
}

async function spoil(how: Spoiling, answer: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const body = await buffer(answer)
  if (how === 'hang') return
  if (how === 'late') await sleep(lateMs)
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.rawHeaders)
  const middle = body.length >> 1
  if (how === 'cut') {
    response.write(body.subarray(0, middle), () => response.destroy())
    return
  }
  if (how === 'corrupt' && body.length > 0) body[middle] = ~body[middle]!
  response.end(body)
}

/** Whether to go on: false where it was dropped, or the client went away. */
function held(rule: HoldRule, request: ProxiedRequest, response: http.ServerResponse): Promise<boolean> {
  return new Promise((resolve) => {
    response.once('close', () => resolve(false))
    rule.held({
      request,
      release: () => resolve(true),
      drop() {
        resolve(false)
        response.destroy()
      },
    })
  })
}
