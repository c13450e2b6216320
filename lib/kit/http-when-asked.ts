// The HTTP server of a process that is short and seldom asked: it listens, and the rest is loaded when somebody connects.
// Node's HTTP and Fastify take some 15 MiB and a tenth of a second, of a run that may find nothing to do in a quarter of one.
// Owns the listening until http.ts takes it over.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { listenError, parseListenAddress } from './address.ts'
import { announce, type HttpOptions, type HttpServer } from './http-listening.ts'

/** As startHttp(), without routes of a service. Throws `config` where the address cannot be listened at. */
export async function startHttpWhenAsked(options: HttpOptions): Promise<HttpServer> {
  // What is wrong with the file is told at the start.
  if (options.httpConfigFile) return (await import('./http.ts')).startHttp(options)
  const taken: Socket[] = []
  let serving: Promise<() => Promise<void>> | undefined
  const listener = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
    taken.push(socket)
    serving ??= serve(listener, taken, options)
  })
  const { host, port } = parseListenAddress(options.address)
  listener.listen({ host, port })
  try {
    await once(listener, 'listening')
  } catch (error) {
    throw listenError(`http-address ${options.address}`, error)
  }
  return announce(options, (listener.address() as AddressInfo).port, async () => {
    if (!serving) return void listener.close()
    const close = await serving
    await close()
  })
}

async function serve(listener: Server, taken: Socket[], options: HttpOptions): Promise<() => Promise<void>> {
  const { takeOver } = await import('./http.ts')
  return takeOver(listener, taken, options)
}
